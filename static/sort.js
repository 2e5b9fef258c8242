// A table whose heads sort it.  The order stands in the address, so that it can be sent
// to somebody and is there again when the page is.

import { el } from "/static/dom.js";

/**
 * Makes buttons of a table's heads.  `columns` has, for each head that sorts, its index and
 * what is compared: { name, index, value: (item) => number or string, down: largest first }.
 * `changed` is called when somebody has chosen another order.
 */
export class Sorting {
  #columns;
  #changed;
  #chosen = null;
  #down = false;

  constructor(table, columns, changed) {
    this.#columns = columns;
    this.#changed = changed;
    const asked = new URLSearchParams(location.search);
    this.#chosen = columns.find((each) => each.name === asked.get("sort")) ?? null;
    this.#down = asked.get("order") === "down";
    for (const column of columns) {
      const head = table.tHead.rows[0].cells[column.index];
      column.head = head;
      head.replaceChildren(el("button", { type: "button", class: "sorts", onclick: () => this.#choose(column) }, head.textContent));
    }
    this.#show();
  }

  /** The items in the order that is chosen; their own if none is. */
  order(items) {
    if (!this.#chosen) return items;
    const { value } = this.#chosen;
    const sign = this.#down ? -1 : 1;
    return [...items].sort((a, b) => {
      const [one, other] = [value(a), value(b)];
      // What is not known stands last, whichever way.
      if (one === null || one === undefined) return other === null || other === undefined ? 0 : 1;
      if (other === null || other === undefined) return -1;
      return sign * (typeof one === "string" ? one.localeCompare(other) : one - other);
    });
  }

  // Once: the way that is asked for most; twice: the other; three times: as it was.
  #choose(column) {
    const first = Boolean(column.down);
    if (this.#chosen !== column) [this.#chosen, this.#down] = [column, first];
    else if (this.#down === first) this.#down = !first;
    else this.#chosen = null;
    this.#show();
    const url = new URL(location.href);
    url.searchParams.delete("sort");
    url.searchParams.delete("order");
    if (this.#chosen) {
      url.searchParams.set("sort", column.name);
      url.searchParams.set("order", this.#down ? "down" : "up");
    }
    history.replaceState(null, "", url);
    this.#changed();
  }

  #show() {
    for (const column of this.#columns) {
      if (column === this.#chosen) column.head.setAttribute("aria-sort", this.#down ? "descending" : "ascending");
      else column.head.removeAttribute("aria-sort");
    }
  }
}
