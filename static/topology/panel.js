// What is known of one node: numbers, how they went, its models, what failed.

import { el, keep, say } from "../dom.js";
import { UNKNOWN, bytes, clock, duration, number, sparkline } from "../format.js";
import { expiry, stateOf } from "../parts.js";
import { facts } from "./graph.js";

/** What is drawn of the last minutes, where it is known. */
const TRENDS = [
  ["tokens_per_second", "Tokens/s", number],
  ["in_flight", "In flight", number],
  ["waiting", "Waiting in line", number],
  ["first_token_seconds", "First token", duration],
  ["requests_per_second", "Requests/s", number],
  ["failures_per_second", "Failures/s", number],
  ["bytes_per_second", "Bytes/s", bytes],
  ["connections", "Connections", number],
  ["sent_bytes_per_second", "Bytes sent/s", bytes],
  ["recv_bytes_per_second", "Bytes received/s", bytes],
];

export class Panel {
  #id = null;

  /** `does`: `choose(id)`, where null means nothing. */
  constructor(place, history, does) {
    this.place = place;
    this.history = history;
    this.title = el("h2", { tabindex: -1 });
    this.state = el("p");
    this.why = el("p", { class: "why" });
    this.facts = el("dl", { class: "facts" });
    this.trends = el("div");
    this.loaded = el("ul", { class: "plain" });
    this.stored = el("ul", { class: "chips" });
    this.failures = el("ul", { class: "plain failures small" });
    this.linked = el("ul", { class: "chips" });
    this.does = does;
    this.parts = [
      [this.trends, "The last five minutes"],
      [this.loaded, "Models in memory"],
      [this.failures, "Failed lately"],
      [this.stored, "Models on disk"],
      [this.linked, "Linked with"],
    ].map(([inner, title]) => el("div", {}, el("h3", {}, title), inner));
    place.append(
      el("header", {}, this.title, el("button", { type: "button", class: "plain", "aria-label": "Close details", title: "Close (Esc)", onclick: () => does.choose(null) }, "✕")),
      this.state, this.why, this.facts, ...this.parts,
      el("p", { class: "small" }, (this.more = el("span"))),
    );
    history.subscribe(() => this.#drawTrends());
  }

  /** Show a node of the graph, or none; another one begins at its head. */
  show(node, graph) {
    this.place.hidden = !node;
    if (!node) {
      this.#id = null;
      return;
    }
    const other = this.#id !== node.id;
    this.#id = node.id;
    this.node = node;
    const { told } = node;
    say(this.title, node.title);
    if (node.state === "none") say(this.state, node.kind);
    else this.state.replaceChildren(stateOf({ ...told, state: node.state }), el("span", { class: "quiet" }, `  ${told.type && told.type !== node.kind ? `${node.kind}, ${told.type}` : node.kind}`));
    say(this.why, told.error ?? "");
    keep(this.facts, facts(node).flatMap(([name, value]) => [{ key: `dt ${name}`, text: name }, { key: `dd ${name}`, text: value }]), (each) => each.key, (each) => {
      const element = el(each.key.slice(0, 2));
      element.update = (now) => say(element, now.text);
      return element;
    });
    this.#list(this.loaded, told.loaded ?? (node.kind === "node" ? (told.models ?? []).map((name) => ({ name })) : []), (each) => each.name, (each) => [each.name, bytes(each.vram_bytes || each.size_bytes), expiry(each)]);
    this.#list(this.failures, [...(told.failures ?? [])].reverse(), (each) => `${each.time} ${each.reason}`, (each) => [`${clock(each.time)}  ${String(each.reason).replaceAll("_", " ")}`, "", each.detail]);
    keep(this.stored, (told.loaded ? told.models ?? [] : []).map((name) => ({ name })), (each) => each.name, (each) => el("li", { class: "chip" }, each.name));
    const others = [...graph.around(node.id)].filter((id) => id !== node.id).map((id) => graph.nodes.get(id));
    keep(this.linked, others, (each) => each.id, (each) => el("li", {}, el("button", { type: "button", class: "chip", onclick: () => this.does.choose(each.id) }, each.title)));
    this.#drawTrends();
    if (other) {
      const own = node.kind === "node" || node.kind === "external";
      this.more.replaceChildren(...(own && graph.role === "gateway" ? [el("a", { href: "/api/nodes" }, "all that is configured"), " · "] : []), el("a", { href: "/metrics" }, "metrics"), " · ", el("a", { href: "/api/topology" }, "topology"));
      this.place.parentElement.scrollTop = 0;
    }
    for (const part of this.parts) part.hidden = !part.lastElementChild.childElementCount;
  }

  #list(place, items, key, words) {
    keep(place, items, key, () => {
      const element = el("li", {}, el("span"), el("span", { class: "quiet" }));
      element.update = (now) => {
        const [text, value, hint] = words(now);
        say(element.firstElementChild, text);
        say(element.lastElementChild, value === UNKNOWN ? "" : value || hint || "");
        if (value && hint) element.title = hint;
      };
      return element;
    });
  }

  #drawTrends() {
    if (this.#id === null) return;
    const known = TRENDS.map(([name, title, write]) => ({ name, title, write, values: this.history.series(this.#id, name) }))
      .filter(({ values }) => values.some((each) => typeof each === "number"));
    keep(this.trends, known, (each) => each.name, ({ title }) => {
      const element = el("div", { class: "trend" }, el("span", { class: "quiet small" }, title), el("span"), el("span"));
      element.update = ({ values, write }) => {
        const now = values.at(-1);
        element.children[1].replaceChildren(sparkline(values, { label: `${title}, the last five minutes, now ${write(now)}` }));
        say(element.children[2], write(now));
      };
      return element;
    });
    this.parts[0].hidden = !known.length;
  }
}
