// What has happened, newest first; and what of it is said aloud.

import { el, keep, say } from "../dom.js";
import { eventRow } from "../parts.js";

const MOST = 100;
/** What somebody who does not see the page is told at once. */
const SPOKEN = { down: "is down", healthy: "is up again", ejected: "is ejected", draining: "is draining", disabled: "is disabled" };

export class Log {
  #own = [];
  #number = 0;

  constructor(list, nothing, voice) {
    this.list = list;
    this.nothing = nothing;
    this.voice = voice;
  }

  /** `turns` are changes of state that the page has seen itself, for servers that tell none. */
  update(document, turns) {
    for (const { node, to } of turns) {
      if (!SPOKEN[to]) continue;
      this.#number += 1;
      const why = node.told.error ? `: ${node.told.error}` : "";
      this.#own.push({ seq: `seen ${this.#number}`, time: new Date().toISOString(), node: node.title, kind: to === "healthy" ? "up" : to, text: `${node.title} ${SPOKEN[to]}${why}` });
    }
    this.#own = this.#own.slice(-MOST);
    const told = document.gateway ? document.events : this.#own;
    keep(this.list, [...told].reverse(), (each) => each.seq, eventRow);
    this.nothing.hidden = told.length > 0;
    this.list.hidden = !told.length;
    const words = turns.filter(({ to }) => SPOKEN[to]).map(({ node, to }) => `${node.title} ${SPOKEN[to]}.`);
    if (words.length) say(this.voice, words.length > 5 ? `${words.length} nodes have changed their state.` : words.join(" "));
  }
}
