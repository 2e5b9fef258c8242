// Bodies in space, one for each sign: sphere, cube, pyramid, half a sphere, ring, octahedron.
//
// The library keeps its classes to itself; they are taken from a body that it has made.

const STRAIGHT = {
  cube: [
    [[-1, -1, -1], [1, -1, -1], [1, 1, -1], [-1, 1, -1], [-1, -1, 1], [1, -1, 1], [1, 1, 1], [-1, 1, 1]],
    [[0, 2, 1], [0, 3, 2], [4, 5, 6], [4, 6, 7], [0, 1, 5], [0, 5, 4], [2, 3, 7], [2, 7, 6], [1, 2, 6], [1, 6, 5], [0, 4, 7], [0, 7, 3]],
  ],
  pyramid: [
    [[0, 1.3, 0], [-1.1, -0.8, 1.1], [1.1, -0.8, 1.1], [1.1, -0.8, -1.1], [-1.1, -0.8, -1.1]],
    [[0, 1, 2], [0, 2, 3], [0, 3, 4], [0, 4, 1], [1, 3, 2], [1, 4, 3]],
  ],
  octahedron: [
    [[0, 1.3, 0], [1.3, 0, 0], [0, 0, 1.3], [-1.3, 0, 0], [0, 0, -1.3], [0, -1.3, 0]],
    [[0, 2, 1], [0, 3, 2], [0, 4, 3], [0, 1, 4], [5, 1, 2], [5, 2, 3], [5, 3, 4], [5, 4, 1]],
  ],
};
/** The body of each sign, how large it is, and whether only its edges are seen. */
const BODIES = {
  "●": ["sphere", 1], "■": ["cube", 0.9], "▲": ["pyramid", 1], "◐": ["half", 1], "○": ["ring", 1],
  "◆": ["octahedron", 1.5], "◇": ["octahedron", 1.2, true], "▪": ["cube", 0.55],
};
const DOUBLE_SIDE = 2;

/** Triangles of a ring around the third axis. */
function ring(steps = 28, sides = 8, thick = 0.24) {
  const point = (i, j) => {
    const [a, b] = [(i / steps) * 2 * Math.PI, (j / sides) * 2 * Math.PI];
    const r = 0.9 + thick * Math.cos(b);
    return [r * Math.cos(a), r * Math.sin(a), thick * Math.sin(b)];
  };
  const found = [];
  for (let i = 0; i < steps; i += 1) {
    for (let j = 0; j < sides; j += 1) {
      const [a, b, c, d] = [point(i, j), point(i + 1, j), point(i + 1, j + 1), point(i, j + 1)];
      found.push(a, b, c, a, c, d);
    }
  }
  return found;
}

export class Bodies {
  #shapes = new Map();

  /** `sample` is a sphere of the library's own. */
  constructor(sample) {
    this.Mesh = sample.constructor;
    this.Sphere = sample.geometry.constructor;
    this.Shape = Object.getPrototypeOf(this.Sphere);
    this.Numbers = sample.geometry.getAttribute("position").constructor;
    this.Matter = sample.material.constructor;
  }

  /** A body of one size, to be dressed. */
  make(sign) {
    const body = new this.Mesh(undefined, new this.Matter({ transparent: true }));
    this.dress(body, sign, "#888888", 1, 1);
    return body;
  }

  dress(body, sign, colour, size, opacity) {
    const [name, large, edges] = BODIES[sign] ?? BODIES["○"];
    const shape = this.#shape(name);
    if (body.geometry !== shape) body.geometry = shape;
    body.material.color.set(colour);
    body.material.opacity = opacity;
    body.material.wireframe = Boolean(edges);
    body.material.side = name === "half" ? DOUBLE_SIDE : 0;
    body.scale.setScalar(size * large);
  }

  #shape(name) {
    let found = this.#shapes.get(name);
    if (!found) this.#shapes.set(name, (found = this.#build(name)));
    return found;
  }

  #build(name) {
    if (name === "sphere") return new this.Sphere(1, 22, 16);
    if (name === "half") return new this.Sphere(1, 22, 16, 0, Math.PI);
    const [points, faces] = STRAIGHT[name] ?? [];
    const corners = points ? faces.flat().map((index) => points[index]) : ring();
    const shape = new this.Shape();
    shape.setAttribute("position", new this.Numbers(new Float32Array(corners.flat()), 3));
    shape.computeVertexNormals();
    return shape;
  }
}
