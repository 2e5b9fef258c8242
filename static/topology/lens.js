// Where a point in space is in the window, as its camera sees it.

/** The product of two matrices, given column by column. */
function product(a, b) {
  const found = new Array(16);
  for (let column = 0; column < 4; column += 1) {
    for (let row = 0; row < 4; row += 1) {
      let sum = 0;
      for (let k = 0; k < 4; k += 1) sum += a[k * 4 + row] * b[column * 4 + k];
      found[column * 4 + row] = sum;
    }
  }
  return found;
}

export class Lens {
  #matrix = null;

  /** Look through this camera, at a window of this size. */
  look(camera, width, height) {
    camera.updateMatrixWorld();
    this.#matrix = product(camera.projectionMatrix.elements, camera.matrixWorldInverse.elements);
    this.width = width;
    this.height = height;
    this.focal = (camera.projectionMatrix.elements[5] * height) / 2;
  }

  /** `x` and `y` in the window, and how many pixels are one unit there; null behind the camera. */
  at({ x, y, z }) {
    const m = this.#matrix;
    if (!m) return null;
    const w = m[3] * x + m[7] * y + m[11] * z + m[15];
    if (w <= 1) return null;
    const [px, py] = [m[0] * x + m[4] * y + m[8] * z + m[12], m[1] * x + m[5] * y + m[9] * z + m[13]];
    return { x: ((px / w + 1) * this.width) / 2, y: ((1 - py / w) * this.height) / 2, scale: this.focal / w, far: w };
  }
}
