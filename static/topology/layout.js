// Where each node stands: in columns by its layer, or in rows where there is no width.
//
// Whoever has a place keeps it while numbers change.  One that comes takes the first free
// place of its layer; one that goes leaves its place to the next that comes.

/** What a node is drawn as, from the one that tells most to the one that needs least room. */
export const SIZES = {
  card: { name: "card", w: 186, h: 54, gap: 16 },
  chip: { name: "chip", w: 136, h: 26, gap: 9 },
  tag: { name: "tag", w: 88, h: 19, gap: 6 },
  dot: { name: "dot", w: 16, h: 16, gap: 9 },
};
const SMALLER = { card: "chip", chip: "tag", tag: "dot" };

const MARGIN = 24;
const NARROW_MARGIN = 14;
/** Below the picture stands what its signs mean. */
const LEGEND = 28;
const LEAST_GAP = 48;
const MOST_GAP = 300;
/** Below this width layers are rows, one under the other. */
const NARROW = 640;
const MOST_STRETCH = 1.9;
const GOLDEN = Math.PI * (3 - Math.sqrt(5));

/** Places in a layer, by number; they are kept, and given again. */
export class Places {
  #places = new Map();

  /** Bring them in line with `ids`, which are given places in this order. */
  keep(ids) {
    const wanted = new Set(ids);
    for (const id of [...this.#places.keys()]) if (!wanted.has(id)) this.#places.delete(id);
    let taken = new Set(this.#places.values());
    // More holes than nodes: move together.
    if (Math.max(-1, ...taken) + 1 > 2 * ids.length + 2) {
      const order = [...this.#places].sort((a, b) => a[1] - b[1]);
      order.forEach(([id], index) => this.#places.set(id, index));
      taken = new Set(this.#places.values());
    }
    let next = 0;
    for (const id of ids) {
      if (this.#places.has(id)) continue;
      while (taken.has(next)) next += 1;
      this.#places.set(id, next);
      taken.add(next);
    }
  }

  of(id) {
    return this.#places.get(id);
  }

  /** How many there are, those that are free in between among them. */
  get count() {
    return Math.max(-1, ...this.#places.values()) + 1;
  }
}

export class Layout {
  #layers = new Map();

  /**
   * The place of each node in a picture of this size: `{ nodes, width, height, down }`.
   *
   * `nodes` has for each id its middle `x` and `y`, and the `size` it is drawn in.  The
   * picture may come out larger than asked for, if there are that many.
   */
  place(graph, width, height) {
    const layers = this.#keep(graph);
    const down = width < NARROW;
    const [along, across] = down ? [height, width] : [width, height - LEGEND];
    const plans = layers.map(({ layer, places }) => ({ layer, places, size: down && places.count > 1 ? SIZES.chip : SIZES.card }));
    const room = down ? Infinity : along - 2 * MARGIN - LEAST_GAP * (plans.length - 1);
    for (;;) {
      for (const each of plans) plan(each, across - 2 * (down ? NARROW_MARGIN : MARGIN), down);
      const needed = plans.reduce((sum, each) => sum + each.depth, 0);
      // The deepest first; of two, the one further from the clients: models tell less than nodes.
      const large = plans.filter((each) => SMALLER[each.size.name]).sort((a, b) => b.depth - a.depth || b.layer - a.layer)[0];
      if (needed <= room || !large) break;
      large.size = SIZES[SMALLER[large.size.name]];
    }
    return settle(plans, layers, along, across, down);
  }

  /** The place of each node in space: layers are planes, their nodes rings or sunflowers. */
  spread(graph) {
    const found = new Map();
    const layers = this.#keep(graph);
    layers.forEach(({ nodes, places }, index) => {
      const x = (index - (layers.length - 1) / 2) * 110;
      const count = places.count;
      for (const node of nodes) {
        const place = places.of(node.id);
        let radius = 0;
        let angle = 0;
        if (count > 12) {
          radius = 21 * Math.sqrt(place + 0.5);
          angle = place * GOLDEN;
        } else if (count > 1) {
          radius = Math.max(56, count * 15);
          angle = (place / count) * 2 * Math.PI + (count === 2 ? Math.PI / 2 : Math.PI / 6);
        }
        found.set(node.id, { x, y: radius * Math.sin(angle), z: radius * Math.cos(angle) });
      }
    });
    return found;
  }

  #keep(graph) {
    const layers = new Map();
    for (const node of graph.nodes.values()) {
      if (!layers.has(node.layer)) layers.set(node.layer, []);
      layers.get(node.layer).push(node);
    }
    const order = [...layers.keys()].sort((a, b) => a - b);
    return order.map((layer, index) => {
      const places = this.#layers.get(layer) ?? new Places();
      this.#layers.set(layer, places);
      const before = index ? this.#layers.get(order[index - 1]) : null;
      const nodes = layers.get(layer);
      places.keep(sorted(nodes, graph, before).map((each) => each.id));
      return { layer, nodes, places };
    });
  }
}

/** Nodes near those they are linked with, so that few links cross; others as they came. */
function sorted(nodes, graph, before) {
  if (!before) return nodes;
  const near = new Map();
  for (const link of graph.links.values()) {
    const place = before.of(link.from.id);
    if (place === undefined) continue;
    const [sum, count] = near.get(link.to.id) ?? [0, 0];
    near.set(link.to.id, [sum + place, count + 1]);
  }
  const middle = (node) => {
    const [sum, count] = near.get(node.id) ?? [0, 0];
    return count ? sum / count : 0;
  };
  return [...nodes].sort((a, b) => middle(a) - middle(b));
}

/** How many of a layer stand beside each other, and how deep that makes it. */
function plan(each, across, down) {
  const { size, places } = each;
  const [wide, deep] = down ? [size.w, size.h] : [size.h, size.w];
  each.beside = Math.max(1, Math.min(places.count, Math.floor((across + size.gap) / (wide + size.gap))));
  each.rows = Math.ceil(places.count / each.beside);
  // As even as can be: 13 in columns of 7 and 6, not of 12 and 1.
  each.beside = Math.ceil(places.count / each.rows);
  each.depth = each.rows * (deep + size.gap) - size.gap;
}

function settle(plans, layers, along, across, down) {
  const depth = plans.reduce((sum, each) => sum + each.depth, 0);
  const between = Math.max(1, plans.length - 1);
  const free = (along - 2 * MARGIN - depth) / between;
  const gap = Math.min(down ? LEAST_GAP : MOST_GAP, Math.max(down ? 44 : LEAST_GAP, free));
  const whole = depth + gap * (plans.length - 1) + 2 * MARGIN;
  let start = MARGIN + Math.max(0, (along - whole) / 2);
  const nodes = new Map();
  plans.forEach((each, index) => {
    const { size, places, beside } = each;
    const [wide, deep] = down ? [size.w, size.h] : [size.h, size.w];
    const step = Math.min((across - 2 * (down ? NARROW_MARGIN : MARGIN)) / beside, (wide + size.gap) * MOST_STRETCH);
    const stretch = down ? Math.min(step, wide + size.gap) : Math.max(step, wide + size.gap);
    for (const node of layers[index].nodes) {
      const place = places.of(node.id);
      const row = Math.floor(place / beside);
      // One row stands in the middle; several are a grid.
      const inRow = each.rows > 1 ? beside : places.count;
      const a = start + row * (deep + size.gap) + deep / 2;
      const b = across / 2 + ((place % beside) - (inRow - 1) / 2) * stretch;
      nodes.set(node.id, { x: down ? b : a, y: down ? a : b, size });
    }
    start += each.depth + gap;
  });
  const full = Math.max(along, whole);
  return { nodes, width: down ? across : full, height: (down ? whole : across) + LEGEND, down };
}

/** The curve of a link: where it begins and ends, and the two points that bend it. */
export function curve(link, placed) {
  const a = placed.nodes.get(link.from.id);
  const b = placed.nodes.get(link.to.id);
  if (!a || !b) return null;
  if (placed.down) {
    const [y0, y1] = [a.y + a.size.h / 2, b.y - b.size.h / 2];
    const bend = Math.max(18, Math.abs(y1 - y0) / 2);
    return [a.x, y0, a.x, y0 + bend, b.x, y1 - bend, b.x, y1];
  }
  const same = Math.abs(a.x - b.x) < 1;
  const [x0, x1] = [a.x + a.size.w / 2, same ? b.x + b.size.w / 2 : b.x - b.size.w / 2];
  const bend = same ? 60 : Math.max(24, (x1 - x0) / 2);
  return [x0, a.y, x0 + bend, a.y, x1 + (same ? bend : -bend), b.y, x1, b.y];
}

/** The point of a curve at `t`, from 0 to 1. */
export function along(points, t) {
  const [x0, y0, x1, y1, x2, y2, x3, y3] = points;
  const u = 1 - t;
  const [a, b, c, d] = [u * u * u, 3 * u * u * t, 3 * u * t * t, t * t * t];
  return [a * x0 + b * x1 + c * x2 + d * x3, a * y0 + b * y1 + c * y2 + d * y3];
}
