// Each node: as configured, as it is, what it has; and whether it is given requests.

import "/static/shell.js";
import { post } from "/static/ask.js";
import { el, find, keep, say } from "/static/dom.js";
import { bytes, clock, duration, number } from "/static/format.js";
import { live } from "/static/live.js";
import { chip, expiry, nodes, stateOf } from "/static/parts.js";

const place = find("nodes");
const mayManage = place.dataset.manage === "yes";
const MOST_MODELS = 40;

// What the live document does not tell: the operator's own words (/api/nodes), by name.
let configured = new Map();

async function configure() {
  const answer = await fetch("/api/nodes", { cache: "no-store" });
  if (!answer.ok) return;
  configured = new Map((await answer.json()).nodes.map((each) => [each.name, each]));
  for (const each of place.children) each.draw?.();
}

function ranges(all) {
  return all.map((each) => {
    const most = each.max_params_b === null ? "and more" : `to ${number(each.max_params_b)}`;
    return `${number(each.min_params_b)} ${most} B${each.description ? ` (${each.description})` : ""}`;
  }).join(", ");
}

function facts(node) {
  const { config = {}, hosts = [] } = configured.get(node.id) ?? {};
  const labels = Object.entries(node.labels ?? {}).map(([name, value]) => `${name}=${value}`);
  return [
    ["Address", el("code", {}, node.url ?? "")],
    ["Other addresses", hosts.length > 1 ? hosts.join(", ") : ""],
    ["Speaks", [node.type, node.version].filter(Boolean).join(" ")],
    ["In flight", node.max_in_flight ? `${number(node.in_flight)} of ${number(node.max_in_flight)}` : number(node.in_flight)],
    ["Transfers", node.transfers ? number(node.transfers) : ""],
    ["Now", `${number(node.requests_per_second)} requests/s, ${number(node.tokens_per_second)} tokens/s, first token ${duration(node.first_token_seconds)}`],
    ["Requests", `${number(node.total_requests)}, ${number(node.failed_requests)} failed`],
    ["Weight", number(node.weight)],
    ["Model sizes", ranges(config.supported_model_ranges ?? [])],
    ["Memory", config.memory_gb ? `${number(config.memory_gb)} GB` : ""],
    ["Labels", labels.join(", ")],
    ["About", config.description ?? ""],
  ].filter(([, value]) => value !== "" && value !== undefined);
}

function memory(node) {
  if (!node.loaded?.length) return el("p", { class: "quiet" }, "nothing");
  return el("table", { class: "folds" },
    el("thead", {}, el("tr", {}, el("th", { scope: "col" }, "Model"), el("th", { scope: "col", class: "number" }, "Memory"), el("th", { scope: "col", class: "number" }, "On the GPU"), el("th", { scope: "col", class: "number" }, "Context"), el("th", { scope: "col" }, "Leaves"))),
    el("tbody", {}, node.loaded.map((each) => el("tr", {},
      el("th", { scope: "row" }, each.name),
      el("td", { class: "number", "data-label": "Memory" }, bytes(each.size_bytes)),
      el("td", { class: "number", "data-label": "On the GPU" }, share(each)),
      el("td", { class: "number", "data-label": "Context" }, number(each.context_length)),
      el("td", { "data-label": "Leaves", title: each.expires }, expiry(each)),
    ))),
  );
}

function share(model) {
  if (!model.size_bytes) return bytes(model.vram_bytes);
  return `${Math.round((100 * (model.vram_bytes ?? 0)) / model.size_bytes)} %`;
}

function failures(node) {
  const newest = [...(node.failures ?? [])].sort((a, b) => String(b.time).localeCompare(String(a.time)));
  return el("ol", { class: "log" }, newest.map((each) => el("li", {},
    el("time", { datetime: each.time }, clock(each.time)),
    el("span", { class: "what" }, el("b", {}, each.reason), each.detail ? ` ${each.detail}` : ""),
  )));
}

function disk(node) {
  const names = node.models ?? [];
  const items = names.slice(0, MOST_MODELS).map((name) => chip(name));
  if (names.length > MOST_MODELS) items.push(el("li", { class: "quiet" }, `and ${names.length - MOST_MODELS} more`));
  return names.length ? el("ul", { class: "chips" }, items) : el("p", { class: "quiet" }, "nothing, or not told yet");
}

function card(node) {
  const state = el("span");
  const why = el("p", { class: "why" });
  const list = el("dl", { class: "facts" });
  const inMemory = el("div");
  const onDisk = el("div");
  const failed = el("div");
  const said = el("p", { class: "said small", role: "status" });
  const button = el("button", { type: "button", onclick: () => turn(element.node, said) });
  const element = el("article", { class: "panel card", id: node.id, "aria-label": node.title },
    el("header", {}, el("h2", {}, node.title), state),
    why, list,
    el("h3", {}, "In memory"), inMemory,
    el("h3", {}, "On disk"), onDisk,
    failed,
    el("footer", { class: "row" },
      mayManage ? button : null,
      el("a", { class: "small", href: `/nodes/${encodeURIComponent(node.id)}/tags` }, "what it says it has"),
      mayManage ? said : null,
    ),
  );
  element.draw = () => {
    const each = element.node;
    list.replaceChildren(...facts(each).flatMap(([name, value]) => [el("dt", {}, name), el("dd", {}, value)]));
  };
  const shown = {};
  const once = (key, value, draw) => {
    const now = JSON.stringify(value);
    if (shown[key] === now) return;
    shown[key] = now;
    draw();
  };
  element.update = (each) => {
    if (element.node === each) return;
    element.node = each;
    element.draw();
    once("state", [each.state, each.error], () => {
      state.replaceChildren(stateOf(each));
      say(why, each.error ?? "");
      why.hidden = !each.error;
      say(button, each.state === "draining" ? "Resume" : "Drain");
      button.title = each.state === "draining" ? "Give it requests again" : "No new requests; those under way end";
      button.hidden = each.state === "disabled";
    });
    once("loaded", each.loaded, () => inMemory.replaceChildren(memory(each)));
    once("models", each.models, () => onDisk.replaceChildren(disk(each)));
    once("failures", each.failures, () => failed.replaceChildren(...(each.failures?.length ? [el("h3", {}, "Last failures"), failures(each)] : [])));
  };
  return element;
}

async function turn(node, said) {
  const act = node.state === "draining" ? "resume" : "drain";
  say(said, "");
  const { ok, error, document: answer } = await post(`/nodes/${encodeURIComponent(node.id)}/${act}`);
  said.classList.toggle("bad", !ok);
  say(said, ok ? answer?.note ?? "" : error);
}

live.subscribe((document, change) => {
  if (change.snapshot || change.events.some((each) => each.kind === "reloaded")) configure();
  keep(place, nodes(document), (each) => each.id, card);
  for (const each of place.children) each.draw?.();
  const wanted = decodeURIComponent(location.hash.slice(1));
  if (change.snapshot && wanted) window.document.getElementById(wanted)?.scrollIntoView();
});
