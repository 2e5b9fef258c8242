// What is drawn: the live document as nodes and links in layers, clients first, models last.
//
// A node or a link stays the same object as long as it is there, so that whoever has given
// it a place finds it there again.  Nothing here knows of the page it is drawn on.

import { bytes, duration, number, plural } from "../format.js";

/** What the kinds are drawn as, by the layer they stand in; a kind that is not known is a node. */
const LAYERS = { client: 0, other: 0, gateway: 1, router: 1, node: 2, external: 2, model: 3 };
const NODE_LAYER = 2;

/** The states that want somebody's attention. */
const TROUBLE = new Set(["down", "ejected"]);

const MODEL = "model:";
const MOST_WIDE = 8;
/** Dots a second on one link: more could not be told apart. */
const MOST_DOTS = 6;

const known = (value) => typeof value === "number" && Number.isFinite(value);

/** The state of a node of either server; one that has none is "none". */
export function stateOf(told) {
  if (typeof told.state === "string" && told.state) return told.state;
  if ((LAYERS[told.kind] ?? NODE_LAYER) !== NODE_LAYER) return "none";
  if (told.up === true) return "healthy";
  return told.up === false ? "down" : "unknown";
}

/** How wide a link is: one pixel when idle, about one more for every tenfold of its bytes. */
export function widthOf(pace) {
  if (!known(pace) || pace <= 0) return 1;
  return Math.min(MOST_WIDE, 1 + 1.2 * Math.log10(1 + pace / 50));
}

/** Dots a second for a pace in bytes: few at a trickle, never a flood. */
export function dotsOf(pace) {
  if (!known(pace) || pace <= 0) return 0;
  return Math.min(MOST_DOTS, 0.4 + 0.9 * Math.log10(1 + pace / 50));
}

class Node {
  constructor(id) {
    this.id = id;
  }

  take(told, role) {
    this.told = told;
    this.kind = told.kind ?? "node";
    this.layer = LAYERS[this.kind] ?? NODE_LAYER;
    // To an exporter a gateway is one client among others: nobody comes through it.
    if (role === "exporter" && this.layer < NODE_LAYER) this.layer = 0;
    this.title = told.title || this.id;
    this.state = stateOf(told);
    this.trouble = TROUBLE.has(this.state);
    this.inFlight = told.in_flight ?? told.connections ?? null;
    this.room = told.max_in_flight ?? null;
    this.models = (told.loaded ?? []).map((each) => each.name);
    if (!told.loaded) this.models = told.models ?? [];
    this.busy = known(this.inFlight) && this.inFlight > 0;
  }

  /** How full it is, from 0 to 1; null where there is no limit. */
  get load() {
    if (!known(this.inFlight) || !known(this.room) || this.room <= 0) return null;
    return Math.min(1, this.inFlight / this.room);
  }

  /** The numbers that matter most, in a few words. */
  get brief() {
    const told = this.told;
    if (this.kind === "model") return plural(told.nodes ?? 0, "node");
    if (this.trouble && told.error) return told.error;
    if (this.state !== "healthy" && this.state !== "none") return this.state;
    const words = [];
    if (known(told.connections)) words.push(plural(told.connections, "connection"));
    else if (known(this.inFlight)) words.push(`${number(this.inFlight)}${known(this.room) ? ` / ${number(this.room)}` : ""} in flight`);
    if (known(told.waiting) && told.waiting > 0) words.push(`${number(told.waiting)} waiting`);
    if (known(told.tokens_per_second) && told.tokens_per_second > 0) words.push(`${number(told.tokens_per_second)} tok/s`);
    else if (known(told.sent_bytes_per_second)) words.push(`${bytes(told.sent_bytes_per_second)}/s`);
    return words.join(" · ");
  }

  /** The same for somebody who hears it. */
  get spoken() {
    const kind = this.kind === this.title ? "" : `, ${this.kind}`;
    const state = this.state === "none" ? "" : `, ${this.state}`;
    const brief = this.brief.replace(" tok/s", " tokens a second").replace(" / ", " of ");
    return `${this.title}${kind}${state}${brief && brief !== this.state ? `, ${brief}` : ""}`;
  }
}

class Link {
  constructor(id) {
    this.id = id;
  }

  take(told, nodes) {
    this.told = told;
    const ends = [nodes.get(told.source), nodes.get(told.target)];
    // Drawn from clients to models, whoever is named first.
    this.turned = ends[0].layer > ends[1].layer;
    [this.from, this.to] = this.turned ? ends.reverse() : ends;
    const there = told.recv_bytes_per_second ?? null;
    const back = told.bytes_per_second ?? told.sent_bytes_per_second ?? null;
    this.pace = known(there) || known(back) ? (there ?? 0) + (back ?? 0) : null;
    this.width = widthOf(this.pace);
    // There: a dot for each request, or for bytes where requests are not known.
    this.there = known(told.requests_per_second) ? Math.min(MOST_DOTS, told.requests_per_second) : dotsOf(there);
    this.back = dotsOf(back);
    this.state = this.to.layer >= NODE_LAYER ? this.to.state : "none";
    if (this.from.layer === NODE_LAYER) this.state = this.from.trouble ? "down" : "none";
    this.busy = this.there > 0 || this.back > 0 || (told.in_flight ?? told.connections ?? 0) > 0;
  }

  get ends() {
    return [this.from, this.to];
  }

  /** What goes over it, in a few words; nothing where nothing does. */
  get brief() {
    const told = this.told;
    const words = [];
    if (known(told.tokens_per_second) && told.tokens_per_second > 0) words.push(`${number(told.tokens_per_second)} tok/s`);
    if (known(this.pace) && this.pace > 0) words.push(`${bytes(this.pace)}/s`);
    if (known(told.vram_bytes)) words.push(bytes(told.vram_bytes));
    return words.join(" · ");
  }
}

/** The nodes and links of one document, kept current. */
export class Graph {
  nodes = new Map();
  links = new Map();
  role = null;
  /** Grows whenever a node or a link comes or goes: only then are places sought anew. */
  shape = 0;

  /** Take in the document as it is now; the changes of state, as `{ node, from, to }`. */
  take(document) {
    this.role = document.role ?? (document.gateway ? "gateway" : "exporter");
    const { nodes, links } = withModels(document);
    const turns = [];
    const before = this.nodes.size + this.links.size;
    let same = keep(this.nodes, nodes, (id) => new Node(id), (node, told) => {
      const from = node.state;
      node.take(told, this.role);
      if (from !== undefined && from !== node.state) turns.push({ node, from, to: node.state });
    });
    const whole = new Map([...links].filter(([, each]) => this.nodes.has(each.source) && this.nodes.has(each.target)));
    same = keep(this.links, whole, (id) => new Link(id), (link, told) => link.take(told, this.nodes)) && same;
    if (!same || before === 0) this.shape += 1;
    return turns;
  }

  /** Ids of the nodes that a node is linked with, itself among them. */
  around(id) {
    const found = new Set([id]);
    for (const link of this.links.values()) {
      if (link.from.id === id) found.add(link.to.id);
      if (link.to.id === id) found.add(link.from.id);
    }
    return found;
  }

  /** All of it in a sentence or two. */
  get summary() {
    const nodes = [...this.nodes.values()];
    const places = nodes.filter((each) => each.layer === NODE_LAYER);
    if (!nodes.length) return "Nothing is known yet.";
    const states = new Map();
    for (const each of places) states.set(each.state, (states.get(each.state) ?? 0) + 1);
    const told = [...states].map(([state, count]) => `${count} ${state}`).join(", ");
    const models = nodes.filter((each) => each.kind === "model").length;
    const busy = places.reduce((sum, each) => sum + (each.inFlight ?? 0), 0);
    const what = this.role === "gateway" ? plural(busy, "request") + " in flight" : plural(busy, "connection");
    return `${plural(places.length, "node")}${told ? `: ${told}` : ""}. ${plural(models, "model")} in memory, ${what}.`;
  }
}

/** Brings `items` in line with `told`, a map as well; whether the same ones are there as before. */
export function keep(items, told, make, take) {
  let same = true;
  for (const id of [...items.keys()]) {
    if (told.has(id)) continue;
    items.delete(id);
    same = false;
  }
  for (const [id, each] of told) {
    let item = items.get(id);
    if (!item) {
      item = make(id);
      items.set(id, item);
      same = false;
    }
    take(item, each);
  }
  return same;
}

/** An exporter tells which models its nodes have in memory, and draws none: they are drawn here. */
function withModels(document) {
  const nodes = new Map(document.nodes);
  const links = new Map(document.links);
  if ([...nodes.values()].some((each) => each.kind === "model") || document.gateway) return { nodes, links };
  const counts = new Map();
  for (const each of document.nodes.values()) {
    if ((LAYERS[each.kind] ?? NODE_LAYER) !== NODE_LAYER) continue;
    for (const name of each.models ?? []) {
      const id = MODEL + name;
      counts.set(id, (counts.get(id) ?? 0) + 1);
      nodes.set(id, { id, kind: "model", title: name, nodes: counts.get(id) });
      links.set(`${each.id}->${id}`, { id: `${each.id}->${id}`, source: each.id, target: id });
    }
  }
  return { nodes, links };
}

/** What the numbers of a node are called, and how they are written; those it has. */
export function facts(node) {
  const told = node.told;
  const found = [];
  const add = (name, value) => value !== null && value !== undefined && value !== "" && found.push([name, value]);
  const rate = (value, words) => (known(value) ? `${number(value)} ${words}` : null);
  const limit = known(node.room) ? ` of ${number(node.room)}` : "";
  if (known(told.in_flight)) add("In flight", number(told.in_flight) + limit);
  if (known(told.connections)) add("Connections", number(told.connections));
  if (known(told.waiting)) add("Waiting in line", number(told.waiting));
  if (known(told.nodes)) add("In memory on", plural(told.nodes, "node"));
  add("Requests", rate(told.requests_per_second, "a second"));
  add("Tokens", rate(told.tokens_per_second, "a second"));
  if (known(told.first_token_seconds)) add("First token after", duration(told.first_token_seconds));
  if (known(told.bytes_per_second)) add("Bytes", `${bytes(told.bytes_per_second)}/s`);
  if (known(told.sent_bytes_per_second)) add("Bytes sent", `${bytes(told.sent_bytes_per_second)}/s`);
  if (known(told.recv_bytes_per_second)) add("Bytes received", `${bytes(told.recv_bytes_per_second)}/s`);
  if (known(told.total_requests)) add("Requests so far", `${number(told.total_requests)}, ${number(told.failed_requests ?? 0)} failed`);
  if (known(told.weight)) add("Weight", number(told.weight));
  add("Address", told.url);
  if (known(told.port)) add("Port", String(told.port));
  add("Version", told.version);
  if (told.bytes) add("Bytes are", `${told.bytes.quality}, from ${told.bytes.method}`);
  for (const [state, count] of Object.entries(told.states ?? {})) add(`Sockets, ${state.replaceAll("_", " ")}`, number(count));
  for (const [name, value] of Object.entries(told.labels ?? {})) add(name, String(value));
  return found;
}
