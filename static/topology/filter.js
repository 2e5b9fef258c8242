// Which nodes are meant: by what state they are in, and by words.
//
// Words are looked for in all that is written on a node.  `model:llama`, `state:down`,
// `kind:external`, `type:whisper` look in one place; `-word` asks for those without it.

/** What can be shown, and how it is called. */
export const FILTERS = [
  ["all", "Everything"],
  ["busy", "At work"],
  ["trouble", "In trouble"],
];

const PLACES = {
  model: (node) => (node.kind === "model" ? [node.title] : [...node.models, ...(node.told.models ?? [])]),
  state: (node) => [node.state],
  kind: (node) => [node.kind],
  type: (node) => [node.told.type ?? ""],
  name: (node) => [node.title],
};

function text(node) {
  const told = node.told;
  return [
    node.title, node.kind, node.state, told.type, told.url, told.version, told.error,
    ...node.models, ...Object.entries(told.labels ?? {}).flat(),
  ].join(" ").toLowerCase();
}

function meets(node, word) {
  if (word.startsWith("-") && word.length > 1) return !meets(node, word.slice(1));
  const colon = word.indexOf(":");
  const place = PLACES[word.slice(0, Math.max(0, colon))];
  const wanted = place ? word.slice(colon + 1) : word;
  if (place) return place(node).some((each) => String(each).toLowerCase().includes(wanted));
  return text(node).includes(wanted);
}

/** The ids of the nodes that are meant; null if that is all of them. */
export function meant(graph, filter, search) {
  const words = search.toLowerCase().split(/\s+/).filter(Boolean);
  if (!words.length && (filter === "all" || !filter)) return null;
  const found = new Set();
  for (const node of graph.nodes.values()) {
    if (filter === "busy" && !node.busy) continue;
    if (filter === "trouble" && !node.trouble) continue;
    if (words.every((word) => meets(node, word))) found.add(node.id);
  }
  return found;
}
