// Where the camera of the picture in space stands, and how it sways by itself.

/** How far it turns to and fro, and how many seconds that takes. */
const SWAY = 0.3;
const PERIOD = 60;
/** From where it looks at first: from the clients' side, and from above. */
const SIDE = -0.5;
const ABOVE = 0.3;
/** Room for names around the outermost bodies. */
const ROOM = 36;
const NEAREST = 80;
/** Where along the layers the middle of the picture may be. */
const MIDDLES = Array.from({ length: 21 }, (_, index) => (index - 10) * 8);

const dot = (a, b) => a.x * b.x + a.y * b.y + a.z * b.z;

/** Right, up and backwards of a camera that looks at the middle. */
function axes(side, above) {
  const [c, s, d, e] = [Math.cos(side), Math.sin(side), Math.cos(above), Math.sin(above)];
  return [{ x: c, y: 0, z: -s }, { x: -s * e, y: d, z: -c * e }, { x: s * d, y: e, z: c * d }];
}

/** How far away all these points are seen, from this side, through a window of this shape. */
export function distance(points, middle, side, half, shape) {
  const [right, up, back] = axes(side, ABOVE);
  let found = NEAREST;
  for (const point of points) {
    const each = { x: point.x - middle, y: point.y, z: point.z };
    const [x, y] = [Math.abs(dot(right, each)) + ROOM, Math.abs(dot(up, each)) + ROOM];
    found = Math.max(found, dot(back, each) + Math.max(y, x / shape) / half);
  }
  return found;
}

export class Orbit {
  /** Does it sway? */
  swaying = false;
  /** Somebody has turned it: from then on it stays where it is. */
  held = false;
  #since = 0;
  #far = 0;
  #middle = 0;

  constructor(drawn) {
    this.drawn = drawn;
    drawn.controls().addEventListener("start", () => this.#hold());
  }

  #hold() {
    this.swaying = false;
    this.held = true;
  }

  /** Look at all of it, from as near as that can be, a little later. */
  fit(points, shape, milliseconds) {
    const all = [...points];
    const half = Math.tan((this.drawn.camera().fov * Math.PI) / 360);
    const sides = this.swaying ? [SIDE - SWAY, SIDE, SIDE + SWAY] : [SIDE];
    // The clients' side is nearer, and larger: the middle of what is seen is not that of what is there.
    this.#far = Infinity;
    for (const middle of MIDDLES) {
      const far = Math.max(...sides.map((side) => distance(all, middle, side, half, shape)));
      if (far < this.#far) [this.#far, this.#middle] = [far, middle];
    }
    // It sways once it is there.
    this.#since = -milliseconds / 1000;
    this.held = false;
    this.drawn.cameraPosition(this.#eye(SIDE), { x: this.#middle, y: 0, z: 0 }, milliseconds);
  }

  zoom(factor, milliseconds) {
    this.#hold();
    const [at, to] = [this.drawn.camera().position, this.drawn.controls().target];
    const nearer = (name) => to[name] + (at[name] - to[name]) / factor;
    const { x, y, z } = to;
    this.drawn.cameraPosition({ x: nearer("x"), y: nearer("y"), z: nearer("z") }, { x, y, z }, milliseconds);
  }

  /** Let so many seconds pass. */
  sway(seconds) {
    if (!this.#far) return;
    this.#since += seconds;
    if (this.#since < 0) return;
    const side = SIDE + SWAY * Math.sin((this.#since / PERIOD) * 2 * Math.PI);
    Object.assign(this.drawn.camera().position, this.#eye(side));
  }

  #eye(side) {
    const [, , back] = axes(side, ABOVE);
    return { x: this.#middle + back.x * this.#far, y: back.y * this.#far, z: back.z * this.#far };
  }
}
