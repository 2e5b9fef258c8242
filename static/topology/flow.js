// Dots that travel along links, as many as there is traffic.
//
// Each link sends one off whenever its pace has come round; there is a bound on all
// together, so that a crowded pool does not become a slow page.

const MOST = 260;
const SLACK = 100;
/** Seconds from one end to the other. */
const TRAVEL = 1.6;

export class Flow {
  /** Those under way: `{ link, t, back }`. */
  dots = [];
  #due = new Map();

  /** Let so many seconds pass; whether anything moves, or will. */
  pass(seconds, links) {
    const step = seconds / TRAVEL;
    let left = 0;
    for (const dot of this.dots) {
      dot.t += step;
      if (dot.t < 1 && links.get(dot.link.id) === dot.link) this.dots[left++] = dot;
    }
    this.dots.length = left;
    // Links that have gone are forgotten now and then.
    if (this.#due.size > 2 * links.size + SLACK) this.#due.clear();
    let flowing = left > 0;
    for (const link of links.values()) {
      for (const back of [false, true]) {
        const pace = back ? link.back : link.there;
        if (!pace) continue;
        flowing = true;
        this.#send(link, back, pace * seconds);
      }
    }
    return flowing;
  }

  #send(link, back, share) {
    const key = `${back ? "<" : ">"}${link.id}`;
    let due = (this.#due.get(key) ?? Math.random()) + share;
    if (due >= 1) {
      due %= 1;
      if (this.dots.length < MOST) this.dots.push({ link, t: 0, back });
    }
    this.#due.set(key, due);
  }

  clear() {
    this.dots.length = 0;
  }
}
