// What several pages show: a node's state, a model in memory, an event.

import { el } from "/static/dom.js";
import { bytes, clock, duration, secondsUntil } from "/static/format.js";

/** Is this one of the pool's nodes (and not a client, the gateway, a model)? */
export function isNode(each) {
  return each?.kind === "node" || each?.kind === "external";
}

/** The pool's nodes, in the server's order. */
export function nodes(document) {
  return [...document.nodes.values()].filter(isNode);
}

const STATES = new Set(["healthy", "down", "ejected", "draining", "disabled"]);

/** A node's state with its sign; `name` is put before it. */
export function stateOf(node, name = "") {
  const state = String(node.state ?? "unknown");
  return el("span", { class: `state ${STATES.has(state) ? state : ""}` }, name ? `${name} ${state}` : state);
}

/** A word in a frame; `warm` for what is in memory. */
export function chip(text, warm = false, title = null) {
  return el("li", { class: warm ? "chip warm" : "chip", title }, text);
}

/** The models in a node's memory, each with its size. */
export function loadedChips(node) {
  return el("ul", { class: "chips" }, (node.loaded ?? []).map((each) => {
    const size = each.vram_bytes || each.size_bytes;
    return chip(size ? `${each.name} ${bytes(size)}` : each.name, true, expiry(each));
  }));
}

/** When a model leaves the memory, in words; null if that is not known. */
export function expiry(model) {
  const left = secondsUntil(model.expires);
  if (left === null) return model.expires === null ? "stays in memory" : null;
  return left > 0 ? `leaves memory in ${duration(left)}` : "about to leave memory";
}

/** A line of the list of events. */
export function eventRow(event) {
  const what = el("span", { class: "what" }, event.node ? el("b", {}, `${event.node} `) : null, el("span", { class: "quiet" }, `${String(event.kind).replaceAll("_", " ")} `), event.text);
  return el("li", { "data-kind": event.kind }, el("time", { datetime: event.time }, clock(event.time)), what);
}
