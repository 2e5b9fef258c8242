// The picture in space: layers are planes, one behind the other.
//
// Bodies and links are drawn by 3d-force-graph with WebGL; it is fetched when this view is
// first wanted.  Nodes stand where the layout puts them, so nothing sways into place.
// Names and traffic are drawn on a canvas above, where they stay sharp.

import { Flow } from "./flow.js";
import { Layout } from "./layout.js";
import { Lens } from "./lens.js";
import { Names } from "./names.js";
import { signOf } from "./scene.js";
import { Bodies } from "./shapes.js";
import { hindrance } from "./webgl.js";

const LIBRARY = "/static/vendor/3d-force-graph.min.js";
const MOST_PIXELS = 2;
const GLIDE = 700;
/** How far it turns to and fro by itself, and how many seconds that takes. */
const SWAY = 0.3;
const PERIOD = 60;
/** From where it looks at first: from the clients' side, and from above. */
const SIDE = -0.5;
const ABOVE = 0.3;
/** Room for names around the outermost bodies. */
const ROOM = 30;
const PATIENCE = 200; // frames until the library has made its first body

let library = null;

function load() {
  library ??= new Promise((resolve, reject) => {
    const script = document.createElement("script");
    script.src = LIBRARY;
    script.onload = () => resolve(globalThis.ForceGraph3D);
    script.onerror = () => {
      library = null;
      script.remove();
      reject(new Error("The 3D view could not be fetched from the server: this is the same in 2D."));
    };
    document.head.append(script);
  });
  return library;
}

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
  #swaying = true;
  #swayed = 0;
  #shown = false;
  #fitted = false;

  /** The view, once it can draw; an Error with words for people if it cannot. */
  static async begin(place, scene, does, lost) {
    const reason = hindrance();
    if (reason) throw new Error(reason);
    const ForceGraph3D = await load();
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
    document.addEventListener("visibilitychange", () => this.#seen());
  }

  async #build(ForceGraph3D, lost) {
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
      .nodeThreeObject((each) => (each.body ??= this.bodies.make(signOf(each.node))))
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
      lost();
    });
    this.drawn.controls().addEventListener("start", () => (this.#swaying = false));
    this.drawn.pauseAnimation();
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
    if (!this.#shown || document.hidden) return this.drawn.pauseAnimation();
    this.drawn.resumeAnimation();
    this.#last = performance.now();
    this.#frame = requestAnimationFrame((now) => this.#step(now));
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
    bring(this.#nodes, graph.nodes, (node) => ({ id: node.id, node }));
    for (const [id, each] of this.#nodes) {
      const { x, y, z } = spots.get(id);
      Object.assign(each, { x, y, z, fx: x, fy: y, fz: z });
    }
    bring(this.#links, graph.links, (link) => ({ id: link.id, link, source: link.from.id, target: link.to.id }));
    this.drawn.graphData({ nodes: [...this.#nodes.values()], links: [...this.#links.values()] });
    if (!this.#fitted && this.#nodes.size) {
      this.#fitted = true;
      this.#look(0);
    }
  }

  #dress() {
    const { scene, bodies } = this;
    const near = scene.near;
    for (const each of this.#nodes.values()) {
      const { node } = each;
      each.radius = 5 + (node.layer === 2 ? Math.min(4, 1.4 * Math.sqrt(node.inFlight ?? 0)) : 0);
      each.clear = scene.clear(node, near);
      if (each.body) bodies.dress(each.body, signOf(node), scene.colour(node), each.radius, each.clear);
    }
    const { colours } = scene;
    this.drawn
      .backgroundColor(colours.paper)
      .linkWidth(({ link }) => (link.busy ? Math.max(0.5, link.width / 3.2) : 0.35))
      .linkColor(({ link }) => {
        if (scene.clearLink(link, near) < 0.2) return colours.raised;
        if (link.state === "down" || link.state === "ejected") return colours.bad;
        return link.busy ? colours.accent : colours.quiet.replace("rgb(", "rgba(").replace(")", ", 0.4)");
      });
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
    if (this.#fitted && this.#swaying) this.#look(0);
  }

  /** Look at all of it, from as near as that can be. */
  #look(milliseconds) {
    const camera = this.drawn.camera();
    const half = Math.tan((camera.fov * Math.PI) / 360);
    this.distance = 80;
    for (const angle of this.scene.still ? [SIDE] : [SIDE - SWAY, SIDE, SIDE + SWAY]) {
      const [right, up, back] = axes(angle, ABOVE);
      for (const each of this.#nodes.values()) {
        const [x, y] = [Math.abs(dot(right, each)) + ROOM, Math.abs(dot(up, each)) + ROOM];
        this.distance = Math.max(this.distance, dot(back, each) + Math.max(y, x / (this.width / this.height)) / half);
      }
    }
    this.#swayed = 0;
    this.drawn.cameraPosition(this.#eye(SIDE), { x: 0, y: 0, z: 0 }, milliseconds);
  }

  /** Where the camera stands when it looks from this side. */
  #eye(angle) {
    const [, , back] = axes(angle, ABOVE);
    return { x: back.x * this.distance, y: back.y * this.distance, z: back.z * this.distance };
  }

  fit() {
    this.#swaying = true;
    this.#look(this.scene.still ? 0 : GLIDE);
  }

  zoom(factor) {
    this.#swaying = false;
    const at = this.drawn.camera().position;
    this.drawn.cameraPosition({ x: at.x / factor, y: at.y / factor, z: at.z / factor }, undefined, this.scene.still ? 0 : GLIDE / 3);
  }

  /** Have it turn by itself, or not. */
  turn() {
    this.#swaying = !this.#swaying;
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
    if (this.#swaying && !scene.still && this.distance) this.#sway(seconds);
    this.#lens.look(this.drawn.camera(), this.width, this.height);
    if (!scene.still) this.#flow.pass(seconds, scene.graph.links);
    const { pen } = this;
    pen.setTransform(this.ratio, 0, 0, this.ratio, 0, 0);
    pen.clearRect(0, 0, this.width, this.height);
    this.#drawDots();
    this.#names.draw(pen, scene, this.#nodes, this.#lens);
    this.#frame = requestAnimationFrame((then) => this.#step(then));
  }

  #sway(seconds) {
    this.#swayed += seconds;
    Object.assign(this.drawn.camera().position, this.#eye(SIDE + SWAY * Math.sin((this.#swayed / PERIOD) * 2 * Math.PI)));
  }

  #drawDots() {
    const { pen, scene } = this;
    for (const back of [false, true]) {
      pen.beginPath();
      for (const dot of this.#flow.dots) {
        if (dot.back !== back || scene.clearLink(dot.link, null) < 1) continue;
        const [a, b] = [this.#nodes.get(dot.link.from.id), this.#nodes.get(dot.link.to.id)];
        if (!a || !b) continue;
        const t = back ? 1 - dot.t : dot.t;
        const seen = this.#lens.at({ x: a.x + (b.x - a.x) * t, y: a.y + (b.y - a.y) * t, z: a.z + (b.z - a.z) * t });
        if (!seen) continue;
        const r = Math.min(5, 1.1 * seen.scale);
        pen.moveTo(seen.x + r, seen.y);
        pen.arc(seen.x, seen.y, r, 0, 2 * Math.PI);
      }
      pen.fillStyle = back ? scene.colours.accent : scene.colours.ink;
      pen.fill();
    }
  }
}

const dot = (a, b) => a.x * b.x + a.y * b.y + a.z * b.z;

/** Right, up and backwards of a camera that looks at the middle. */
function axes(side, above) {
  const [c, s, d, e] = [Math.cos(side), Math.sin(side), Math.cos(above), Math.sin(above)];
  return [{ x: c, y: 0, z: -s }, { x: -s * e, y: d, z: -c * e }, { x: s * d, y: e, z: c * d }];
}

/** Brings what is drawn in line with what is there; who stays is not made anew. */
function bring(drawn, there, make) {
  for (const id of [...drawn.keys()]) if (!there.has(id)) drawn.delete(id);
  for (const [id, item] of there) {
    const each = drawn.get(id);
    if (!each || (each.node ?? each.link) !== item) drawn.set(id, make(item));
  }
}
