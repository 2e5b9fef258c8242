// What all pictures of a graph have in common: what is chosen, pointed at, meant.

import { colourOf } from "./palette.js";

/** The sign of each state, and of what has none; colour is never alone. */
const SIGNS = {
  healthy: "●", down: "■", ejected: "▲", draining: "◐", disabled: "○", unknown: "○",
  gateway: "◆", router: "◆", client: "◇", other: "◇", model: "▪",
};

export function signOf(node) {
  return node.state === "none" ? SIGNS[node.kind] ?? "○" : SIGNS[node.state] ?? "○";
}

/** In words, for the legend: the states that are there, and the kinds. */
export function signs(graph) {
  const found = new Map();
  for (const node of graph.nodes.values()) {
    const name = node.state === "none" ? node.kind : node.state;
    if (!found.has(name)) found.set(name, { name, sign: signOf(node), state: node.state, kind: node.kind });
  }
  return [...found.values()];
}

export class Scene {
  selected = null;
  pointed = null;
  focused = null;
  /** The ids that are meant by filter and search; null if all are. */
  meant = null;
  /** Nothing shall move by itself. */
  still = false;

  constructor(graph) {
    this.graph = graph;
    this.colours = {};
  }

  colour(node) {
    if (node.state !== "none") return colourOf(this.colours, node.state, "quiet");
    return node.kind === "gateway" || node.kind === "router" ? this.colours.accent : this.colours.quiet;
  }

  /** The ids that stand out now, if any do: those around the one that is pointed at. */
  get near() {
    const id = this.pointed ?? this.focused;
    return id !== null && this.graph.nodes.has(id) ? this.graph.around(id) : null;
  }

  /** How much of a node is seen, from 0 to 1. */
  clear(node, near) {
    if (this.meant && !this.meant.has(node.id)) return 0.16;
    return near && !near.has(node.id) ? 0.4 : 1;
  }

  clearLink(link, near) {
    const both = Math.min(this.clear(link.from, null), this.clear(link.to, null));
    if (both < 1) return 0.12;
    const id = this.pointed ?? this.focused;
    return near && link.from.id !== id && link.to.id !== id ? 0.25 : 1;
  }
}
