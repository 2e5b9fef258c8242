// Where the camera of the picture in space stands, and how it sways by itself.

/** How far it turns to and fro, and how many seconds that takes. */
const SWAY = 0.3;
const PERIOD = 60;
/** From where it looks at first: from the clients' side, and from above. */
const SIDE = -0.5;
const ABOVE = 0.3;
/** Room for names around the outermost bodies. */
const ROOM = 30;
const NEAREST = 80;

const dot = (a, b) => a.x * b.x + a.y * b.y + a.z * b.z;

/** Right, up and backwards of a camera that looks at the middle. */
function axes(side, above) {
  const [c, s, d, e] = [Math.cos(side), Math.sin(side), Math.cos(above), Math.sin(above)];
  return [{ x: c, y: 0, z: -s }, { x: -s * e, y: d, z: -c * e }, { x: s * d, y: e, z: c * d }];
}

/** How far away all these points are seen, from this side, through a window of this shape. */
export function distance(points, side, half, shape) {
  const [right, up, back] = axes(side, ABOVE);
  let found = NEAREST;
  for (const each of points) {
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
    this.#far = Math.max(...sides.map((side) => distance(all, side, half, shape)));
    // It sways once it is there.
    this.#since = -milliseconds / 1000;
    this.held = false;
    this.drawn.cameraPosition(this.#eye(SIDE), { x: 0, y: 0, z: 0 }, milliseconds);
  }

  zoom(factor, milliseconds) {
    this.#hold();
    const { x, y, z } = this.drawn.camera().position;
    this.drawn.cameraPosition({ x: x / factor, y: y / factor, z: z / factor }, undefined, milliseconds);
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
    return { x: back.x * this.#far, y: back.y * this.#far, z: back.z * this.#far };
  }
}
