// Names beside the bodies in space, as many as there is room for without one over another.

const FACE = 'system-ui, "DejaVu Sans", sans-serif';
const NAME = `600 12.5px ${FACE}`;
const BRIEF = `11px ${FACE}`;
const LINE = 15;
const LONGEST = 28;
const FEW = 24;

const short = (text) => (text.length > LONGEST ? `${text.slice(0, LONGEST - 1)}…` : text);

/** Who comes first where there is no room for all. */
function weight(scene, node, few) {
  if (node.id === scene.pointed || node.id === scene.focused) return 6;
  if (node.id === scene.selected) return 5;
  if (node.trouble) return 4;
  if (node.layer < 2) return 3;
  if (node.kind === "model") return few ? 0 : 2;
  return node.busy ? 1.5 : 1;
}

export class Names {
  #widths = new Map();

  draw(pen, scene, nodes, lens) {
    const near = scene.near;
    // With few, all say what they do; with many, those that matter.
    const few = nodes.size <= FEW;
    const seen = [];
    for (const each of nodes.values()) {
      const at = lens.at(each);
      if (at) seen.push({ each, at, weight: weight(scene, each.node, few) });
    }
    seen.sort((a, b) => b.weight - a.weight || a.at.far - b.at.far);
    const taken = [];
    pen.textAlign = "center";
    pen.textBaseline = "middle";
    for (const { each, at, weight: heavy } of seen) {
      const clear = scene.clear(each.node, near);
      const r = (each.radius ?? 5) * at.scale * 1.35;
      if (heavy >= 5) ring(pen, at, r + 4, heavy === 5 ? scene.colours.quiet : scene.colours.accent);
      if (clear < 0.3) continue;
      const brief = few || heavy >= 4 ? short(each.node.brief) : "";
      const name = short(each.node.title);
      const wide = Math.max(this.#width(pen, NAME, name), brief ? this.#width(pen, BRIEF, brief) : 0) + 10;
      const places = sides(at, r, wide, brief ? 2 * LINE : LINE, lens.width);
      const box = free(few || heavy >= 2 ? places : places.slice(0, 1), taken, heavy >= 5);
      if (!box) continue;
      taken.push(box);
      const middle = box.x + wide / 2;
      // A ground to be read on.  Outlined letters would look better, and cost twenty times as much.
      pen.globalAlpha = 0.72 * clear;
      pen.fillStyle = scene.colours.paper;
      pen.fillRect(box.x + 2, box.y, box.w - 4, box.h);
      pen.globalAlpha = clear;
      write(pen, NAME, name, middle, box.y + LINE / 2, each.node.trouble ? scene.colours.bad : scene.colours.ink);
      if (brief) write(pen, BRIEF, brief, middle, box.y + LINE * 1.5, scene.colours.quiet);
    }
    pen.globalAlpha = 1;
  }

  #width(pen, font, text) {
    const key = font + text;
    let found = this.#widths.get(key);
    if (found === undefined) {
      pen.font = font;
      found = pen.measureText(text).width;
      if (this.#widths.size > 4000) this.#widths.clear();
      this.#widths.set(key, found);
    }
    return found;
  }
}

/** Where a name may stand: below its body, above, to the right, to the left; never cut off. */
function sides(at, r, w, h, width) {
  return [
    [at.x - w / 2, at.y + r + 4],
    [at.x - w / 2, at.y - r - 4 - h],
    [at.x + r + 2, at.y - h / 2],
    [at.x - r - 2 - w, at.y - h / 2],
  ].map(([x, y]) => ({ x: Math.max(0, Math.min(x, width - w)), y, w, h }));
}

/** The first that is over none of those that are taken; the first of all if it must be shown. */
function free(boxes, taken, must) {
  return boxes.find((box) => !taken.some((other) => overlap(box, other))) ?? (must ? boxes[0] : null);
}

function ring(pen, at, r, colour) {
  pen.beginPath();
  pen.arc(at.x, at.y, r, 0, 2 * Math.PI);
  pen.lineWidth = 2;
  pen.strokeStyle = colour;
  pen.stroke();
}

function write(pen, font, text, x, y, colour) {
  pen.font = font;
  pen.fillStyle = colour;
  pen.fillText(text, x, y);
}

function overlap(a, b) {
  return a.x < b.x + b.w && b.x < a.x + a.w && a.y < b.y + b.h && b.y < a.y + a.h;
}
