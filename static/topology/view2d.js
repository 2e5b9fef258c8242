// The flat picture.
//
// Three sheets: links, what flows along them, nodes.  The first and the last are drawn when
// something has changed, the second with each frame while something flows.

import { Camera } from "./camera.js";
import { Flow } from "./flow.js";
import { Layout, along, curve } from "./layout.js";
import { paintLinks, paintNodes, thinness } from "./paint.js";

const [LINKS, DOTS, NODES] = [0, 1, 2];
/** A sharper picture than this costs more than it shows. */
const MOST_PIXELS = 2;
const GLIDE = 0.35;
const TAP = 5;

export class View2D {
  #layout = new Layout();
  #camera = new Camera();
  #flow = new Flow();
  #curves = new Map();
  #placed = null;
  #shape = -1;
  #from = null;
  #glide = 0;
  #dirty = true;
  #frame = 0;
  #last = 0;
  #shown = false;
  #drag = null;
  #pinch = new Map();

  /** `does`: `choose(id)`, `point(id, x, y)`; they are told what people do with the picture. */
  constructor(place, scene, does) {
    this.place = place;
    this.scene = scene;
    this.does = does;
    this.sheets = [LINKS, DOTS, NODES].map(() => document.createElement("canvas"));
    this.pens = this.sheets.map((each) => each.getContext("2d"));
    this.sizes = new ResizeObserver(() => this.#resize());
    this.#listen();
  }

  show() {
    this.#shown = true;
    this.place.append(...this.sheets);
    this.sizes.observe(this.place);
    this.#resize();
  }

  hide() {
    this.#shown = false;
    this.sizes.disconnect();
    cancelAnimationFrame(this.#frame);
    this.#frame = 0;
    this.#flow.clear();
    for (const each of this.sheets) each.remove();
    this.does.tall(null);
  }

  /** The graph has changed. */
  update() {
    if (!this.#shown) return;
    if (this.scene.graph.shape !== this.#shape) this.#settle(!this.scene.still);
    this.redraw();
  }

  /** Something else has: what is chosen, the colours. */
  redraw() {
    this.#dirty = true;
    this.#wake();
  }

  /** Nearer or farther, in the middle. */
  zoom(factor) {
    this.#camera.zoom(factor, this.width / 2, this.height / 2);
    this.redraw();
  }

  fit() {
    this.#camera.held = false;
    this.#resize();
  }

  /** Where a node is in the window, from its left upper corner. */
  where(id) {
    const place = this.#placed?.nodes.get(id);
    return place ? this.#camera.from(place.x, place.y) : null;
  }

  /** Have a node in sight. */
  reveal(id) {
    const place = this.#placed?.nodes.get(id);
    if (place && this.#camera.reveal(place.x, place.y, this.width, this.height)) this.redraw();
  }

  /** The nodes with their places, for those who move among them with keys. */
  get places() {
    return this.#placed?.nodes ?? new Map();
  }

  #resize() {
    if (!this.#shown) return;
    const box = this.place.getBoundingClientRect();
    if (!box.width || !box.height) return;
    this.width = box.width;
    this.height = box.height;
    this.ratio = Math.min(MOST_PIXELS, devicePixelRatio || 1);
    for (const canvas of this.sheets) {
      canvas.width = Math.round(box.width * this.ratio);
      canvas.height = Math.round(box.height * this.ratio);
    }
    this.#settle(false);
    this.redraw();
  }

  /** Seek places anew; nodes that stood elsewhere glide there, if they may. */
  #settle(gliding) {
    const before = this.#placed;
    const seen = this.#shape >= 0 && gliding ? before : null;
    this.#placed = this.#layout.place(this.scene.graph, this.width, this.height);
    this.#shape = this.scene.graph.shape;
    // Rows that do not fit make the page longer: shrunk to a telephone's height nobody could read them.
    this.does.tall(this.#placed.down ? this.#placed.height : null);
    this.#camera.fit(this.#placed, this.width, this.#placed.down ? this.#placed.height : this.height);
    this.#from = null;
    if (seen) {
      this.#from = new Map();
      for (const [id, place] of this.#placed.nodes) {
        const old = seen.nodes.get(id);
        if (old && (old.x !== place.x || old.y !== place.y)) this.#from.set(id, { x: old.x, y: old.y, to: { x: place.x, y: place.y } });
      }
      this.#glide = 0;
      if (!this.#from.size) this.#from = null;
    }
    this.#bend();
  }

  #bend() {
    this.#curves.clear();
    for (const link of this.scene.graph.links.values()) {
      const points = curve(link, this.#placed);
      if (points) this.#curves.set(link.id, points);
    }
  }

  #wake() {
    if (!this.#frame && this.#shown && !document.hidden) {
      this.#last = performance.now();
      this.#frame = requestAnimationFrame((now) => this.#step(now));
    }
  }

  #step(now) {
    this.#frame = 0;
    if (!this.#shown || !this.#placed || document.hidden) return;
    const seconds = Math.min(0.1, Math.max(0, (now - this.#last) / 1000));
    this.#last = now;
    if (this.#from) this.#move(seconds);
    if (this.#dirty) {
      this.#dirty = false;
      paintLinks(this.#clear(LINKS), this.scene, this.#placed);
      paintNodes(this.#clear(NODES), this.scene, this.#placed);
    }
    const flowing = !this.scene.still && this.#flow.pass(seconds, this.scene.graph.links);
    this.#drawDots();
    if (flowing || this.#from) this.#frame = requestAnimationFrame((then) => this.#step(then));
  }

  #move(seconds) {
    this.#glide = Math.min(1, this.#glide + seconds / GLIDE);
    const share = 1 - (1 - this.#glide) ** 3;
    for (const [id, { x, y, to }] of this.#from) {
      const place = this.#placed.nodes.get(id);
      if (place) Object.assign(place, { x: x + (to.x - x) * share, y: y + (to.y - y) * share });
    }
    if (this.#glide >= 1) this.#from = null;
    this.#bend();
    this.#dirty = true;
  }

  #clear(layer) {
    const pen = this.pens[layer];
    pen.setTransform(1, 0, 0, 1, 0, 0);
    pen.clearRect(0, 0, this.sheets[layer].width, this.sheets[layer].height);
    const scale = this.#camera.scale * this.ratio;
    pen.setTransform(scale, 0, 0, scale, -this.#camera.x * scale, -this.#camera.y * scale);
    return pen;
  }

  #drawDots() {
    const pen = this.#clear(DOTS);
    const { colours } = this.scene;
    const thin = Math.max(0.6, thinness(this.scene.graph));
    for (const back of [false, true]) {
      pen.beginPath();
      for (const dot of this.#flow.dots) {
        const points = dot.back === back ? this.#curves.get(dot.link.id) : null;
        if (!points || this.scene.clearLink(dot.link, null) < 1) continue;
        const [x, y] = along(points, back ? 1 - dot.t : dot.t);
        const r = (back ? 2.6 : 3.2) * thin;
        pen.moveTo(x + r, y);
        pen.arc(x, y, r, 0, 2 * Math.PI);
      }
      pen.fillStyle = back ? colours.accent : colours.ink;
      pen.fill();
    }
  }

  /** The node at a point of the window; the nearest, where they are small. */
  #hit(x, y) {
    if (!this.#placed) return null;
    const [px, py] = this.#camera.at(x, y);
    const slack = 4 / this.#camera.scale;
    for (const [id, { x: nx, y: ny, size }] of this.#placed.nodes) {
      if (Math.abs(px - nx) <= size.w / 2 + slack && Math.abs(py - ny) <= size.h / 2 + slack) return id;
    }
    return null;
  }

  #listen() {
    const { place } = this;
    const spot = (event) => {
      const box = place.getBoundingClientRect();
      return [event.clientX - box.left, event.clientY - box.top];
    };
    const on = (name, call, options) => place.addEventListener(name, (event) => this.#shown && call(event, ...spot(event)), options);
    on("pointerdown", (event, x, y) => {
      if (event.button) return;
      this.#pinch.set(event.pointerId, [x, y]);
      this.#drag = { x, y, moved: false };
      if (event.pointerType === "mouse") place.setPointerCapture(event.pointerId);
    });
    on("pointermove", (event, x, y) => {
      if (this.#pinch.size > 1) return this.#pinched(event, x, y);
      if (!this.#drag || !this.#pinch.has(event.pointerId)) {
        const id = this.#hit(x, y);
        place.classList.toggle("pointing", id !== null);
        // A card says all that could be said beside it.
        return this.does.point(id, x, y, this.places.get(id)?.size.name === "card" ? [] : null);
      }
      const [dx, dy] = [x - this.#drag.x, y - this.#drag.y];
      if (!this.#drag.moved && Math.hypot(dx, dy) < TAP) return;
      this.#drag = { x, y, moved: true };
      place.classList.add("moving");
      this.#camera.move(dx, dy);
      this.redraw();
    });
    const up = (event, x, y) => {
      const drag = this.#drag;
      this.#pinch.delete(event.pointerId);
      this.#drag = null;
      place.classList.remove("moving");
      if (drag && !drag.moved && event.type === "pointerup") this.does.choose(this.#hit(x, y));
    };
    on("pointerup", up);
    on("pointercancel", up);
    on("pointerleave", () => this.#drag || this.does.point(null, 0, 0));
    on("wheel", (event, x, y) => {
      event.preventDefault();
      this.#camera.zoom(Math.exp(-event.deltaY / (event.deltaMode ? 20 : 400)), x, y);
      this.redraw();
    }, { passive: false });
    on("dblclick", () => this.fit());
    document.addEventListener("visibilitychange", () => this.redraw());
  }

  /** Two fingers: apart is larger. */
  #pinched(event, x, y) {
    const other = [...this.#pinch].find(([id]) => id !== event.pointerId)?.[1];
    const before = this.#pinch.get(event.pointerId);
    if (!other || !before) return;
    const factor = Math.hypot(x - other[0], y - other[1]) / Math.max(1, Math.hypot(before[0] - other[0], before[1] - other[1]));
    this.#pinch.set(event.pointerId, [x, y]);
    if (this.#drag) this.#drag.moved = true;
    this.#camera.zoom(factor, (x + other[0]) / 2, (y + other[1]) / 2);
    this.redraw();
  }
}
