// The nodes as buttons that nobody sees: for keys, and for those who hear the page.
//
// The picture shows which one has the focus.  Arrows go to the next one in that direction.

import { el, keep } from "../dom.js";

const TURNS = { ArrowRight: [1, 0], ArrowLeft: [-1, 0], ArrowDown: [0, 1], ArrowUp: [0, -1] };
/** A step aside counts for more than one ahead. */
const ASIDE = 2.5;

/** The nearest place in a direction; null if there is none. */
export function neighbour(places, id, [dx, dy]) {
  const here = places.get(id);
  if (!here) return null;
  let best = null;
  let least = Infinity;
  for (const [other, place] of places) {
    const [x, y] = [place.x - here.x, place.y - here.y];
    const ahead = x * dx + y * dy;
    if (other === id || ahead <= 1) continue;
    const far = ahead + ASIDE * Math.abs(x * dy - y * dx);
    if (far < least) [best, least] = [other, far];
  }
  return best;
}

export class Picker {
  /** `does`: `choose(id)`, `focus(id)`; `places()` are those of the picture that is shown. */
  constructor(list, does, places) {
    this.list = list;
    this.does = does;
    this.places = places;
    list.addEventListener("focusin", (event) => does.focus(event.target.node.id));
    list.addEventListener("focusout", () => does.focus(null));
    list.addEventListener("keydown", (event) => this.#press(event));
  }

  update(nodes, meant, selected) {
    const items = nodes.filter((each) => !meant || meant.has(each.id));
    keep(this.list, items, (each) => each.id, (node) => {
      const button = el("button", { type: "button", tabindex: 0, onclick: () => this.does.choose(node.id) });
      button.node = node;
      const element = el("li", {}, button);
      element.update = (now) => {
        if (button.textContent !== now.spoken) button.textContent = now.spoken;
        button.setAttribute("aria-pressed", now.id === selected);
      };
      return element;
    });
  }

  /** Give the focus to a node's button; whether it has one. */
  focus(id) {
    const button = [...this.list.querySelectorAll("button")].find((each) => each.node.id === id);
    button?.focus({ preventScroll: true });
    return Boolean(button);
  }

  #press(event) {
    const turn = TURNS[event.key];
    const buttons = [...this.list.querySelectorAll("button")];
    const end = { Home: buttons[0], End: buttons.at(-1) }[event.key];
    if (!turn && !end) return;
    event.preventDefault();
    if (end) return end.focus({ preventScroll: true });
    const places = new Map([...this.places()].filter(([id]) => buttons.some((each) => each.node.id === id)));
    const next = neighbour(places, event.target.node.id, turn);
    if (next !== null) this.focus(next);
  }
}
