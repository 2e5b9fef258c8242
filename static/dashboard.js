// The pool at a glance: what it does now, what it did in the last five minutes, and what happened.

import "/static/shell.js";
import { Chart } from "/static/chart.js";
import { el, find, keep, say } from "/static/dom.js";
import { bytes, duration, number, plural, secondsUntil, sparkline } from "/static/format.js";
import { History } from "/static/history.js";
import { live } from "/static/live.js";
import { chip, eventRow, loadedChips, nodes, stateOf } from "/static/parts.js";
import { Sorting } from "/static/sort.js";

const MOST_MODELS = 60;

const history = new History();

// The tiles: one number each, and how it came to be.

const perSecond = (value) => number(value);
const TILES = [
  { key: "requests_per_second", title: "Requests per second", format: perSecond },
  { key: "tokens_per_second", title: "Tokens per second", format: perSecond },
  { key: "first_token_seconds", title: "Time to first token", format: duration },
  { key: "in_flight", title: "In flight", format: number, least: 4 },
  { key: "waiting", title: "Waiting in line", format: number, least: 4 },
  { key: "failures_per_second", title: "Failures per second", format: perSecond, alarm: (value) => value > 0 },
  { key: "bytes_per_second", title: "Bytes per second", format: bytes },
];

function tile({ title }, ...below) {
  const value = el("p", { class: "value" });
  const element = el("section", { class: "panel tile" }, el("h2", {}, title), value, below);
  return { element, value };
}

const pool = tile({ title: "Healthy nodes" });
const strip = el("ul", { class: "chips" });
const facts = el("p", { class: "quiet small" });
pool.element.append(strip, facts);

const tiles = TILES.map((each) => {
  const chart = new Chart({ title: each.title, format: each.format, least: each.least });
  return { ...each, chart, ...tile(each, chart.element) };
});
find("tiles").append(pool.element, ...tiles.map((each) => each.element));
find("tiles").hidden = false;

function showTiles(document) {
  const gateway = document.gateway ?? {};
  const all = nodes(document).filter((each) => each.state !== "disabled");
  const healthy = all.filter((each) => each.state === "healthy").length;
  pool.value.replaceChildren(String(healthy), el("small", {}, ` of ${all.length}`));
  pool.element.classList.toggle("alarm", healthy < all.length);
  keep(strip, all.filter((each) => each.state !== "healthy"), (each) => each.id, () => {
    const child = el("li");
    child.update = (each) => child.replaceChildren(stateOf(each, each.title));
    return child;
  });
  say(facts, [
    typeof gateway.clients === "number" ? plural(gateway.clients, "client connection") : "",
    uptime(gateway) === null ? "" : `up ${duration(uptime(gateway))}`,
  ].filter(Boolean).join(", "));
  for (const each of tiles) {
    say(each.value, each.format(gateway[each.key]));
    each.element.classList.toggle("alarm", Boolean(each.alarm?.(gateway[each.key])));
  }
  say(find("notice"), gateway.notice ?? "");
  if (gateway.strategy) say(find("strategy"), gateway.strategy);
  if (gateway.waiting !== undefined) say(find("waiting"), number(gateway.waiting));
}

function uptime(gateway) {
  if (typeof gateway.uptime_seconds === "number") return gateway.uptime_seconds;
  const since = secondsUntil(gateway.started);
  return since === null ? null : -since;
}

// The nodes.

const WORST = ["down", "ejected", "draining", "healthy", "disabled"];
const sorting = new Sorting(find("nodes").closest("table"), [
  { name: "name", index: 0, value: (each) => each.title },
  { name: "state", index: 1, value: (each) => WORST.indexOf(each.state) },
  { name: "flight", index: 2, value: (each) => each.in_flight, down: true },
  { name: "requests", index: 3, value: (each) => each.requests_per_second, down: true },
  { name: "tokens", index: 4, value: (each) => each.tokens_per_second, down: true },
  { name: "first", index: 5, value: (each) => each.first_token_seconds, down: true },
  { name: "failed", index: 6, value: (each) => each.failed_requests, down: true },
], () => showNodes(live.document));

function showNodes(document) {
  keep(find("nodes"), sorting.order(nodes(document)), (each) => each.id, nodeRow);
}

function nodeRow(node) {
  const cells = {
    state: el("td", { "data-label": "State" }),
    flight: el("td", { class: "number", "data-label": "In flight" }),
    requests: el("td", { class: "number", "data-label": "Requests/s" }),
    tokens: el("td", { class: "number", "data-label": "Tokens/s" }),
    first: el("td", { class: "number", "data-label": "First token" }),
    failed: el("td", { class: "number", "data-label": "Failed" }),
    loaded: el("td", { "data-label": "In memory" }),
  };
  const address = el("div", { class: "why" });
  const name = el("th", { scope: "row" }, el("a", { href: `/nodes#${encodeURIComponent(node.id)}` }, node.title), address);
  const row = el("tr", {}, name, Object.values(cells));
  const shown = { state: null };
  row.draw = () => {
    cells.tokens.replaceChildren(sparkline(history.series(node.id, "tokens_per_second"), { width: 56 }), el("span", { class: "figure" }, number(shown.tokens)));
  };
  row.update = (each) => {
    if (row.last === each) return;
    row.last = each;
    say(address, each.url ?? "");
    const state = `${each.state} ${each.error ?? ""}`;
    if (state !== shown.state) {
      cells.state.replaceChildren(stateOf(each), el("div", { class: "why" }, each.error ?? ""));
      if (shown.state !== null) flash(row);
      shown.state = state;
    }
    cells.flight.replaceChildren(number(each.in_flight), each.max_in_flight ? meter(each.in_flight, each.max_in_flight) : "");
    say(cells.requests, number(each.requests_per_second));
    shown.tokens = each.tokens_per_second;
    row.draw();
    say(cells.first, duration(each.first_token_seconds));
    cells.failed.classList.toggle("bad", each.failed_requests > 0);
    cells.failed.replaceChildren(number(each.failed_requests), el("span", { class: "quiet" }, ` of ${number(each.total_requests)}`));
    cells.loaded.replaceChildren(loadedChips(each));
  };
  return row;
}

function meter(value, most) {
  const bar = el("i");
  bar.style.width = `${Math.min(100, (100 * value) / most)}%`;
  return el("span", { class: "meter", title: `${value} of ${most}` }, bar);
}

function flash(element) {
  element.classList.remove("flash");
  void element.offsetWidth; // begin anew
  element.classList.add("flash");
}

// The models.

function models(document) {
  const found = new Map();
  const of = (name) => {
    if (!found.has(name)) found.set(name, { name, disk: [], memory: [], bytes: 0, use: document.nodes.get(`model:${name}`) ?? {} });
    return found.get(name);
  };
  for (const node of nodes(document)) {
    for (const name of node.models ?? []) of(name).disk.push(node.title);
    for (const each of node.loaded ?? []) {
      const model = of(each.name);
      model.memory.push(node.title);
      model.bytes += each.vram_bytes || each.size_bytes || 0;
    }
  }
  return [...found.values()].sort((a, b) => b.memory.length - a.memory.length || a.name.localeCompare(b.name));
}

function modelRow(model) {
  const memory = el("td", { "data-label": "In memory of" });
  const size = el("td", { class: "number", "data-label": "Memory" });
  const flight = el("td", { class: "number", "data-label": "In flight" });
  const tokens = el("td", { class: "number", "data-label": "Tokens/s" });
  const first = el("td", { class: "number", "data-label": "First token" });
  const disk = el("td", { "data-label": "On disk of" });
  const row = el("tr", {}, el("th", { scope: "row" }, el("a", { href: `/routing?model=${encodeURIComponent(model.name)}` }, model.name)), memory, size, flight, tokens, first, disk);
  let shown = "";
  row.update = (each) => {
    const loaded = each.memory.length > 0;
    say(flight, loaded ? number(each.use.in_flight) : "");
    say(tokens, loaded ? number(each.use.tokens_per_second) : "");
    say(first, loaded ? duration(each.use.first_token_seconds) : "");
    const now = JSON.stringify([each.memory, each.disk, each.bytes]);
    if (now === shown) return;
    if (shown) flash(row);
    shown = now;
    memory.replaceChildren(el("ul", { class: "chips" }, each.memory.map((name) => chip(name, true))));
    say(size, each.bytes ? bytes(each.bytes) : "");
    disk.replaceChildren(el("ul", { class: "chips" }, each.disk.map((name) => chip(name))));
  };
  return row;
}

function showModels(document) {
  const all = models(document);
  const loaded = all.filter((each) => each.memory.length).length;
  say(find("models-count"), `${plural(all.length, "model")}, ${loaded} in memory${all.length > MOST_MODELS ? `; the first ${MOST_MODELS} are shown` : ""}`);
  keep(find("models"), all.slice(0, MOST_MODELS), (each) => each.name, modelRow);
}

// What happened.

const ANNOUNCED = new Set(["up", "down", "ejected", "readmitted"]);

function showEvents(document, change) {
  const newest = [...document.events].reverse();
  const fresh = new Set(change.snapshot ? [] : change.events.map((each) => each.seq));
  keep(find("events"), newest, (each) => `${each.seq} ${each.time}`, (each) => {
    const row = eventRow(each);
    if (fresh.has(each.seq)) row.classList.add("flash");
    return row;
  });
  find("events-panel").hidden = !newest.length;
  const loud = change.snapshot ? [] : change.events.filter((each) => ANNOUNCED.has(each.kind));
  if (loud.length) say(find("announce"), loud.map((each) => each.text).join(". "));
}

live.subscribe((document, change) => {
  // Who asks again and again need not ask for the past as often.
  if (change.snapshot && !live.status.polling) history.load();
  showTiles(document);
  showNodes(document);
  showModels(document);
  showEvents(document, change);
});

history.subscribe(() => {
  for (const each of tiles) each.chart.set(history.series("gateway", each.key));
  for (const row of find("nodes").children) row.draw?.();
});
