// What the keys do, what the signs mean.

import { el } from "../dom.js";

const KEYS = [
  ["Tab, Shift Tab", "from node to node"],
  ["← ↑ → ↓", "to the next node in that direction"],
  ["Enter", "its details"],
  ["Esc", "back: from the details to the node, from the node to the tools"],
  ["1 2 3", "3D, 2D, table"],
  ["/", "find"],
  ["+ −", "larger, smaller; so does the wheel"],
  ["0", "show all of it; so does a double click"],
  ["r", "turn the 3D picture by itself, or not"],
  ["f", "full screen"],
  ["?", "this"],
];
const SIGNS = [
  ["● healthy", "answers its checks"],
  ["■ down", "does not"],
  ["▲ ejected", "failed too often, and is left alone for a while"],
  ["◐ draining", "gets nothing new"],
  ["○ disabled", "is switched off"],
  ["◆ ◇ ▪", "gateway or router; clients; a model in memory"],
  ["↗", "a node that somebody else runs"],
  ["Links", "as wide as the bytes they carry; dotted to a node that is down"],
  ["Dots", "towards the nodes: one for each request. Back: what is answered, the more bytes the more dots"],
];
const WORDS = [
  ["llama", "everything that has this in its name, models, address or labels"],
  ["model:llama", "who has this model"],
  ["state:down", "also kind:, type:, name:"],
  ["-cloud", "without this"],
];

export function fill(place) {
  for (const [title, rows] of [["Keys", KEYS], ["Signs", SIGNS], ["Words to find", WORDS]]) {
    place.append(el("h3", {}, title), el("dl", {}, rows.map(([name, text]) => [el("dt", {}, title === "Keys" ? el("kbd", {}, name) : name), el("dd", {}, text)])));
  }
}
