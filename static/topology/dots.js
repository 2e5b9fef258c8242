// What flows along links in space, drawn above them.

const LARGEST = 5;

/** `spots` says for each node where it is, `lens` where that is in the window. */
export function drawDots(pen, scene, flow, spots, lens) {
  for (const back of [false, true]) {
    pen.beginPath();
    for (const dot of flow.dots) {
      if (dot.back !== back || scene.clearLink(dot.link, null) < 1) continue;
      const [a, b] = [spots.get(dot.link.from.id), spots.get(dot.link.to.id)];
      if (!a || !b) continue;
      const t = back ? 1 - dot.t : dot.t;
      const seen = lens.at({ x: a.x + (b.x - a.x) * t, y: a.y + (b.y - a.y) * t, z: a.z + (b.z - a.z) * t });
      if (!seen) continue;
      const r = Math.min(LARGEST, 1.1 * seen.scale);
      pen.moveTo(seen.x + r, seen.y);
      pen.arc(seen.x, seen.y, r, 0, 2 * Math.PI);
    }
    pen.fillStyle = back ? scene.colours.accent : scene.colours.ink;
    pen.fill();
  }
}
