// The same as tables: what can be sorted, copied, and read by everybody.

import { el, keep, say } from "../dom.js";
import { UNKNOWN, bytes, duration, number } from "../format.js";

const known = (value) => typeof value === "number";
const pace = (value) => (known(value) ? `${bytes(value)}/s` : UNKNOWN);

/** Columns: title, the value it is sorted by, how that is written. */
const NODES = [
  ["Kind", (node) => node.kind, String],
  ["State", (node) => (node.state === "none" ? "" : node.state), String],
  ["In flight", (node) => node.told.in_flight, number],
  ["Limit", (node) => node.room, number],
  ["Connections", (node) => node.told.connections, number],
  ["Requests/s", (node) => node.told.requests_per_second, number],
  ["Tokens/s", (node) => node.told.tokens_per_second, number],
  ["First token", (node) => node.told.first_token_seconds, duration],
  ["Bytes/s", (node) => node.told.bytes_per_second, bytes],
  ["Sent", (node) => node.told.sent_bytes_per_second, pace],
  ["Received", (node) => node.told.recv_bytes_per_second, pace],
  ["Models in memory", (node) => node.models.join(", "), String],
];
const LINKS = [
  ["To", (link) => link.to.title, String],
  ["In flight", (link) => link.told.in_flight, number],
  ["Connections", (link) => link.told.connections, number],
  ["Requests/s", (link) => link.told.requests_per_second, number],
  ["Tokens/s", (link) => link.told.tokens_per_second, number],
  ["Bytes/s", (link) => link.pace, pace],
  ["Graphics memory", (link) => link.told.vram_bytes, bytes],
  ["Round trip", (link) => link.told.rtt_seconds, duration],
];

/** Sort values of any kind; what is not known comes last either way. */
export function compare(a, b, falling) {
  const [none, other] = [a, b].map((each) => each === null || each === undefined || each === "");
  if (none || other) return none === other ? 0 : none ? 1 : -1;
  const order = known(a) && known(b) ? a - b : String(a).localeCompare(String(b), "en", { numeric: true });
  return falling ? -order : order;
}

class Table {
  #sort = { column: null, falling: false };
  #shown = "";

  constructor(title, first, columns, name) {
    this.columns = columns;
    this.first = [first, name, String];
    this.head = el("tr");
    this.body = el("tbody");
    this.element = el("table", { class: "folds" }, el("caption", { class: "unseen" }, title), el("thead", {}, this.head), this.body);
  }

  update(items, row) {
    // A column that says nothing of anybody is not shown.
    const columns = [this.first, ...this.columns.filter(([, value]) => items.some((each) => ![null, undefined, ""].includes(value(each))))];
    const names = columns.map(([title]) => title).join("|");
    if (names !== this.#shown) {
      this.#shown = names;
      this.head.replaceChildren(...columns.map((each) => this.#header(each, items)));
      this.body.replaceChildren();
    }
    this.again = () => this.update(items, row);
    const { column, falling } = this.#sort;
    const by = columns.find(([title]) => title === column)?.[1];
    const order = by ? [...items].sort((a, b) => compare(by(a), by(b), falling)) : items;
    keep(this.body, order, (each) => each.id, (item) => {
      const cells = columns.map(([title, value], index) => {
        const numeric = items.some((each) => known(value(each)));
        return index ? el("td", { class: numeric ? "number" : title.startsWith("Models") ? "long" : null, "data-label": title }) : el("th", { scope: "row" }, row.name(item));
      });
      const element = el("tr", {}, cells);
      element.update = (now) => {
        row.update?.(element, now);
        columns.forEach(([title, value, write], index) => {
          if (!index) return;
          const told = value(now);
          const text = told === null || told === undefined || told === "" ? "" : write(told);
          if (title === "State" && text) {
            const inner = cells[index].firstElementChild ?? cells[index].appendChild(el("span"));
            inner.className = `state ${now.state}`;
            say(inner, text);
          } else say(cells[index], text);
        });
      };
      return element;
    });
  }

  #order() {
    return this.#sort.falling ? "descending" : "ascending";
  }

  #header([title, value], items) {
    const numeric = items.some((each) => known(value(each)));
    const head = el("th", { scope: "col", class: numeric ? "number" : null });
    if (this.#sort.column === title) head.setAttribute("aria-sort", this.#order());
    head.append(el("button", {
      type: "button",
      onclick: () => {
        const same = this.#sort.column === title;
        // Numbers are looked at from the largest down.
        this.#sort = { column: title, falling: same ? !this.#sort.falling : numeric };
        for (const each of this.head.children) each.removeAttribute("aria-sort");
        head.setAttribute("aria-sort", this.#order());
        this.again();
      },
    }, title));
    return head;
  }
}

export class TableView {
  constructor(place, scene, does) {
    this.place = place;
    this.scene = scene;
    this.does = does;
    this.nodes = new Table("Nodes", "Name", NODES, (node) => node.title);
    this.links = new Table("Links", "From", LINKS, (link) => link.from.title);
    this.none = el("p", { class: "quiet" });
    const whole = (table) => el("div", { class: "scroll" }, table.element);
    place.append(el("h2", {}, "Nodes"), whole(this.nodes), this.none, el("h2", {}, "Links"), whole(this.links));
  }

  show() {
    this.place.hidden = false;
    this.place.parentElement.classList.add("listed");
    this.update();
  }

  hide() {
    this.place.hidden = true;
    this.place.parentElement.classList.remove("listed");
  }

  update() {
    if (this.place.hidden) return;
    const { graph, meant } = this.scene;
    const nodes = [...graph.nodes.values()].filter((each) => !meant || meant.has(each.id));
    const links = [...graph.links.values()].filter((each) => !meant || meant.has(each.from.id) || meant.has(each.to.id));
    this.nodes.update(nodes, {
      name: (node) => el("button", { type: "button", class: "plain", onclick: () => this.does.choose(node.id) }, node.title),
      update: (element, node) => element.toggleAttribute("data-selected", node.id === this.scene.selected),
    });
    this.links.update(links, { name: (link) => link.from.title });
    say(this.none, nodes.length ? "" : meant ? "No node is like that." : "");
  }

  redraw() {
    this.update();
  }

  /** Give the focus to a node's button; whether it has one. */
  focus(id) {
    const button = [...this.nodes.body.children].find((each) => each.kept === id)?.querySelector("button");
    button?.focus();
    return Boolean(button);
  }

  fit() {}

  reveal() {}

  where() {
    return null;
  }

  get places() {
    return new Map();
  }
}
