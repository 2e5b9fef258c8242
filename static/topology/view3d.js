// The picture in space: layers are planes, one behind the other.
//
// Bodies and links are drawn by 3d-force-graph with WebGL; it is fetched when this view is
// first wanted.  Nodes stand where the layout puts them, so nothing sways into place.
// Names and traffic are drawn on a canvas above, where they stay sharp.  While nothing turns
// or is turned the bodies are drawn only when something has changed.

import { drawDots } from "./dots.js";
import { Flow } from "./flow.js";
import { keep } from "./graph.js";
import { Layout } from "./layout.js";
import { Lens } from "./lens.js";
import { library } from "./library.js";
import { Names } from "./names.js";
import { Orbit } from "./orbit.js";
import { signOf } from "./scene.js";
import { Bodies } from "./shapes.js";
import { fast, hindrance } from "./webgl.js";

const MOST_PIXELS = 2;
const GLIDE = 700;
/** For so many milliseconds after a hand was on it each frame is drawn. */
const AWAKE = 600;
/** The library takes in what it is told a little later. */
const DIGEST = 40;
/** Of its time a slow machine shall spend one part in so many on this. */
const REST = 5;
const PATIENCE = 200; // frames until the library has made its first body

const frame = () => new Promise((resolve) => requestAnimationFrame(resolve));

export class View3D {
  #layout = new Layout();
  #flow = new Flow();
  #names = new Names();
  #lens = new Lens();
  #nodes = new Map();
  #links = new Map();
  #shape = -1;
  #frame = 0;
  #last = 0;
  #awake = 0;
  #drawing = false;
  #timer = null;
  #next = 0;
  #shown = false;
  #fitted = false;

  /** The view, once it can draw; an Error with words for people if it cannot. */
  static async begin(place, scene, does, lost) {
    const reason = hindrance();
    if (reason) throw new Error(reason);
    const ForceGraph3D = await library();
    const view = new View3D(place, scene, does);
    try {
      await view.#build(ForceGraph3D, lost);
    } catch (error) {
      throw new Error("This browser could not begin to draw in 3D: this is the same in 2D.", { cause: error });
    }
    return view;
  }

  constructor(place, scene, does) {
    Object.assign(this, { place, scene, does });
    this.space = document.createElement("div");
    this.space.className = "space";
    this.over = document.createElement("canvas");
    this.over.className = "over";
    this.pen = this.over.getContext("2d");
    this.sizes = new ResizeObserver(() => this.#resize());
    this.pointer = [0, 0];
    this.space.addEventListener("pointermove", (event) => {
      const box = this.place.getBoundingClientRect();
      this.pointer = [event.clientX - box.left, event.clientY - box.top];
      if (this.scene.pointed !== null) this.does.point(this.scene.pointed, ...this.pointer);
    });
    for (const name of ["pointermove", "pointerdown", "wheel"]) {
      this.space.addEventListener(name, () => this.#wake(AWAKE), { passive: true, capture: true });
    }
    this.gone = new AbortController();
    document.addEventListener("visibilitychange", () => this.#seen(), { signal: this.gone.signal });
  }

  async #build(ForceGraph3D, lost) {
    this.quick = fast();
    const sample = { id: "", fx: 0, fy: 0, fz: 0 };
    this.drawn = new ForceGraph3D(this.space, { controlType: "orbit", rendererConfig: { antialias: true, powerPreference: "low-power" } })
      .showNavInfo(false)
      .enableNodeDrag(false)
      .cooldownTicks(0)
      .warmupTicks(0)
      .nodeLabel("")
      .linkLabel("")
      .linkOpacity(0.75)
      .linkResolution(5)
      .width(300)
      .height(200)
      .graphData({ nodes: [sample], links: [] });
    for (let left = PATIENCE; !sample.__threeObj; left -= 1) {
      if (!left) throw new Error("no body was made");
      await frame();
    }
    this.bodies = new Bodies(sample.__threeObj);
    this.drawn
      .graphData({ nodes: [], links: [] })
      .nodeThreeObject((each) => this.#body(each))
      .onNodeHover((each) => this.does.point(each?.node.id ?? null, ...this.pointer))
      .onLinkHover((each) => this.#pointLink(each?.link))
      .onNodeClick((each) => this.does.choose(each.node.id))
      .onBackgroundClick(() => this.does.choose(null));
    const canvas = this.drawn.renderer().domElement;
    // The picture as a whole has a name and keys of its own.
    canvas.removeAttribute("tabindex");
    canvas.addEventListener("webglcontextlost", (event) => {
      event.preventDefault();
      this.hide();
      this.gone.abort();
      this.drawn._destructor();
      lost();
    });
    this.drawn.pauseAnimation();
    this.orbit = new Orbit(this.drawn);
    this.orbit.swaying = this.quick;
  }

  #pointLink(link) {
    if (this.scene.pointed === null) this.does.point(null, ...this.pointer, link && [`${link.from.title} → ${link.to.title}`, link.brief]);
  }

  show() {
    this.#shown = true;
    this.place.append(this.space, this.over);
    this.sizes.observe(this.place);
    this.#resize();
    this.#seen();
  }

  hide() {
    this.#shown = false;
    this.sizes.disconnect();
    this.#seen();
    this.#flow.clear();
    this.space.remove();
    this.over.remove();
  }

  /** Draw while somebody looks. */
  #seen() {
    cancelAnimationFrame(this.#frame);
    this.#frame = 0;
    this.#drawing = false;
    if (!this.#shown || document.hidden) return this.drawn.pauseAnimation();
    this.#wake(AWAKE);
    this.#last = performance.now();
    this.#frame = requestAnimationFrame((now) => this.#step(now));
  }

  #wake(milliseconds) {
    this.#awake = Math.max(this.#awake, performance.now() + milliseconds);
  }

  /** Draw the bodies as they are now, if nobody does so anyway. */
  #once() {
    this.#timer ??= setTimeout(() => {
      this.#timer = null;
      if (this.#drawing || !this.#shown || document.hidden) return;
      const began = performance.now();
      this.drawn.resumeAnimation().pauseAnimation();
      if (this.quick) return;
      // Only who asks for a pixel waits until all are painted.
      const context = this.drawn.renderer().getContext();
      context.readPixels(0, 0, 1, 1, context.RGBA, context.UNSIGNED_BYTE, new Uint8Array(4));
      this.#next = performance.now() + REST * (performance.now() - began);
    }, Math.max(DIGEST, this.#next - performance.now()));
  }

  update() {
    if (!this.#shown) return;
    const { graph } = this.scene;
    if (graph.shape !== this.#shape) this.#settle(graph);
    this.#dress();
  }

  redraw() {
    if (this.#shown && this.bodies) this.#dress();
  }

  #settle(graph) {
    this.#shape = graph.shape;
    const spots = this.#layout.spread(graph);
    keep(this.#nodes, graph.nodes, (id) => ({ id }), (each, node) => Object.assign(each, { node }));
    for (const [id, each] of this.#nodes) {
      const { x, y, z } = spots.get(id);
      Object.assign(each, { x, y, z, fx: x, fy: y, fz: z });
    }
    keep(this.#links, graph.links, (id) => ({ id }), (each, link) => {
      Object.assign(each, { link, source: link.from.id, target: link.to.id });
    });
    this.drawn.graphData({ nodes: [...this.#nodes.values()], links: [...this.#links.values()] });
    if (!this.#nodes.size || this.orbit.held) return;
    this.#look(this.#fitted && !this.scene.still ? GLIDE : 0);
    this.#fitted = true;
  }

  #body(each) {
    each.body ??= this.bodies.make(signOf(each.node));
    this.#clothe(each, this.scene.near);
    return each.body;
  }

  #clothe(each, near) {
    const { node } = each;
    each.radius = 5 + (node.layer === 2 ? Math.min(4, 1.4 * Math.sqrt(node.inFlight ?? 0)) : 0);
    if (each.body) this.bodies.dress(each.body, signOf(node), this.scene.colour(node), each.radius, this.scene.clear(node, near));
  }

  #dress() {
    const { scene } = this;
    const near = scene.near;
    for (const each of this.#nodes.values()) this.#clothe(each, near);
    const { colours } = scene;
    this.drawn
      .backgroundColor(colours.paper)
      .linkWidth(({ link }) => (link.busy ? Math.max(0.5, link.width / 3.2) : 0.35))
      .linkColor(({ link }) => {
        if (scene.clearLink(link, near) < 0.2) return colours.raised;
        if (link.state === "down" || link.state === "ejected") return colours.bad;
        return link.busy ? colours.accent : colours.quiet.replace("rgb(", "rgba(").replace(")", ", 0.4)");
      });
    this.#once();
  }

  #resize() {
    const box = this.place.getBoundingClientRect();
    if (!this.#shown || !box.width || !box.height) return;
    this.width = box.width;
    this.height = box.height;
    this.ratio = Math.min(MOST_PIXELS, devicePixelRatio || 1);
    this.over.width = Math.round(box.width * this.ratio);
    this.over.height = Math.round(box.height * this.ratio);
    this.drawn.width(box.width).height(box.height);
    if (this.#fitted && !this.orbit.held) this.#look(0);
    this.#once();
  }

  /** Look at all of it. */
  #look(milliseconds) {
    this.orbit.fit(this.#nodes.values(), this.width / this.height, milliseconds);
    if (milliseconds) this.#wake(milliseconds + AWAKE);
  }

  fit() {
    this.orbit.swaying = this.quick;
    this.#look(this.scene.still ? 0 : GLIDE);
  }

  zoom(factor) {
    this.#wake(AWAKE + GLIDE);
    this.orbit.zoom(factor, this.scene.still ? 0 : GLIDE / 3);
  }

  turn() {
    this.orbit.swaying = !this.orbit.swaying;
  }

  reveal(id) {
    const [x, y] = this.where(id) ?? [0, 0];
    if (x < 0 || y < 0 || x > this.width || y > this.height) this.fit();
  }

  where(id) {
    const each = this.#nodes.get(id);
    const seen = each && this.#lens.at(each);
    return seen ? [seen.x, seen.y] : null;
  }

  get places() {
    this.#lens.look(this.drawn.camera(), this.width, this.height);
    return new Map([...this.#nodes].map(([id, each]) => [id, this.#lens.at(each)]).filter(([, seen]) => seen));
  }

  #step(now) {
    const seconds = Math.min(0.1, (now - this.#last) / 1000);
    this.#last = now;
    const { scene } = this;
    const moving = this.orbit.swaying && !scene.still;
    if (moving) this.orbit.sway(seconds);
    const drawing = moving || now < this.#awake;
    if (drawing !== this.#drawing) {
      this.#drawing = drawing;
      if (drawing) this.drawn.resumeAnimation();
      else this.drawn.pauseAnimation();
    }
    this.#lens.look(this.drawn.camera(), this.width, this.height);
    if (!scene.still) this.#flow.pass(seconds, scene.graph.links);
    const { pen } = this;
    pen.setTransform(this.ratio, 0, 0, this.ratio, 0, 0);
    pen.clearRect(0, 0, this.width, this.height);
    drawDots(pen, scene, this.#flow, this.#nodes, this.#lens);
    this.#names.draw(pen, scene, this.#nodes, this.#lens);
    this.#frame = requestAnimationFrame((then) => this.#step(then));
  }
}
