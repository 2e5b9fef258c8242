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
    return chip(size ? `${each.name} ${bytes(size)}` : each.name, true, `leaves memory: ${expiry(each)}`);
  }));
}

/** When a model leaves the memory: "in 4 min", "never". */
export function expiry(model) {
  if (model.expires === null) return "never";
  const left = secondsUntil(model.expires);
  if (left === null) return "not known";
  return left > 0 ? `in ${duration(left)}` : "any moment";
}

/** A line of the list of events; its sign comes from its kind. */
export function eventRow(event) {
  const kind = String(event.kind).replaceAll("_", " ");
  return el("li", { "data-kind": event.kind, title: kind },
    el("time", { datetime: event.time }, clock(event.time)),
    el("span", { class: "what" }, event.text || [event.node, kind].filter(Boolean).join(" ")),
  );
}
