// What part of a flat picture is seen, and how large.

const LEAST = 0.15;
const MOST = 4;

export class Camera {
  x = 0;
  y = 0;
  scale = 1;
  /** Somebody has moved it: from then on it stays where it is. */
  held = false;

  /** Show all of a picture, never larger than it is. */
  fit(picture, width, height) {
    if (this.held) return;
    this.scale = Math.max(LEAST, Math.min(1, width / picture.width, height / picture.height));
    this.x = (picture.width - width / this.scale) / 2;
    this.y = (picture.height - height / this.scale) / 2;
  }

  /** From the window to the picture. */
  at(x, y) {
    return [this.x + x / this.scale, this.y + y / this.scale];
  }

  /** From the picture to the window. */
  from(x, y) {
    return [(x - this.x) * this.scale, (y - this.y) * this.scale];
  }

  move(dx, dy) {
    this.held = true;
    this.x -= dx / this.scale;
    this.y -= dy / this.scale;
  }

  /** Larger or smaller; what is at this point of the window stays there. */
  zoom(factor, x, y) {
    const [px, py] = this.at(x, y);
    this.held = true;
    this.scale = Math.min(MOST, Math.max(LEAST, this.scale * factor));
    this.x = px - x / this.scale;
    this.y = py - y / this.scale;
  }

  /** Move as little as need be for a point of the picture to be seen. */
  reveal(x, y, width, height, margin = 60) {
    const [wx, wy] = this.from(x, y);
    const dx = wx < margin ? margin - wx : wx > width - margin ? width - margin - wx : 0;
    const dy = wy < margin ? margin - wy : wy > height - margin ? height - margin - wy : 0;
    if (dx || dy) this.move(dx, dy);
    return Boolean(dx || dy);
  }
}
