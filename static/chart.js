// A chart of the last minutes, as tall as a few lines of text.
//
// Values come at a fixed pace, the newest on the right; null leaves a gap.  Under the
// pointer, or with the arrow keys, each one can be read.

import { UNKNOWN, duration, path, svg, top } from "/static/format.js";
import { el } from "/static/dom.js";

const WIDTH = 300;
const HEIGHT = 60;

export class Chart {
  #values = [];
  #at = null;

  /** `format` words a value; `least` is the smallest height of the scale; `interval` is in seconds. */
  constructor({ title, format, least = 0, interval = 2, length = 150 }) {
    Object.assign(this, { title, format, least, interval, length });
    this.area = svg("path", { class: "area" });
    this.line = svg("path", { class: "line" });
    this.cursor = svg("line", { class: "cursor", y1: 0, y2: HEIGHT, visibility: "hidden" });
    this.picture = svg(
      "svg",
      { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: "none", role: "img", tabindex: 0, "aria-label": title },
      svg("line", { class: "ground", x1: 0, x2: WIDTH, y1: HEIGHT, y2: HEIGHT }),
      this.area, this.line, this.cursor,
    );
    this.most = el("span");
    this.reading = el("span", { class: "at" });
    this.element = el("figure", { class: "chart" }, this.picture, el("figcaption", {}, this.most, this.reading));
    this.picture.addEventListener("pointermove", (event) => {
      const box = this.picture.getBoundingClientRect();
      this.#point(Math.round(((event.clientX - box.left) / box.width) * (this.length - 1)));
    });
    for (const name of ["pointerleave", "blur"]) this.picture.addEventListener(name, () => this.#point(null));
    this.picture.addEventListener("keydown", (event) => {
      const last = this.length - 1;
      const to = { ArrowLeft: (this.#at ?? last) - 1, ArrowRight: (this.#at ?? last) + 1, Home: 0, End: last, Escape: null }[event.key];
      if (to === undefined) return;
      event.preventDefault();
      this.#point(to);
    });
    this.set([]);
  }

  /** All values, oldest first. */
  set(values) {
    this.#values = [...Array(this.length).fill(null), ...values].slice(-this.length);
    this.#draw();
  }

  /** One more. */
  push(value) {
    this.set([...this.#values, value]);
  }

  #draw() {
    const most = top(this.#values, this.least);
    this.area.setAttribute("d", path(this.#values, WIDTH, HEIGHT, most, true));
    this.line.setAttribute("d", path(this.#values, WIDTH, HEIGHT, most));
    const peak = top(this.#values, -1);
    this.most.textContent = peak < 0 ? "nothing yet" : `most ${this.format(peak)}`;
    const newest = this.#values.at(-1);
    this.picture.setAttribute(
      "aria-label",
      `${this.title}, the last ${duration(this.length * this.interval)}: now ${this.#word(newest)}, at most ${peak < 0 ? UNKNOWN : this.format(peak)}`,
    );
    if (this.#at !== null) this.#point(this.#at);
  }

  #word(value) {
    return value === null || value === undefined ? UNKNOWN : this.format(value);
  }

  #point(index) {
    this.#at = index === null ? null : Math.min(Math.max(index, 0), this.length - 1);
    this.cursor.setAttribute("visibility", this.#at === null ? "hidden" : "visible");
    if (this.#at === null) {
      this.reading.textContent = "";
      return;
    }
    const x = (this.#at / (this.length - 1)) * WIDTH;
    this.cursor.setAttribute("x1", x);
    this.cursor.setAttribute("x2", x);
    const ago = (this.length - 1 - this.#at) * this.interval;
    this.reading.textContent = `${this.#word(this.#values[this.#at])} ${ago ? `${duration(ago)} ago` : "now"}`;
  }
}
