// Draws nodes and links on a canvas, each in the size that there is room for.

import { along, curve } from "./layout.js";
import { signOf } from "./scene.js";

const FACE = 'system-ui, "DejaVu Sans", sans-serif';
const FONTS = {
  name: `600 13px ${FACE}`, brief: `11.5px ${FACE}`, chip: `12px ${FACE}`, tag: `10.5px ${FACE}`, link: `10.5px ${FACE}`,
};
const SIGN = { card: 6, chip: 4.5, tag: 3.5, dot: 6.5 };
const MOST_TEXTS = 4000;
const LONGEST = 100;

const texts = new Map();

/** As much of a text as there is room for. */
function fitted(pen, whole, room) {
  const text = whole.slice(0, LONGEST);
  const key = `${pen.font} ${Math.round(room)} ${text}`;
  let found = texts.get(key);
  if (found !== undefined) return found;
  found = text;
  for (let length = text.length; pen.measureText(found).width > room && length > 0; ) {
    length -= 1;
    found = `${text.slice(0, length).trimEnd()}…`;
  }
  if (texts.size > MOST_TEXTS) texts.clear();
  texts.set(key, found);
  return found;
}

/** A state's sign as a shape: a disc, a square, a triangle, half a disc, a ring, a diamond. */
export function sign(pen, node, x, y, r, colour, paper) {
  pen.fillStyle = pen.strokeStyle = colour;
  pen.lineWidth = Math.max(1.2, r / 3.4);
  pen.beginPath();
  switch (signOf(node)) {
    case "■": pen.rect(x - r * 0.88, y - r * 0.88, r * 1.76, r * 1.76); break;
    case "▪": pen.rect(x - r * 0.7, y - r * 0.7, r * 1.4, r * 1.4); break;
    case "▲": polygon(pen, [[x, y - r * 1.1], [x + r * 1.1, y + r * 0.85], [x - r * 1.1, y + r * 0.85]]); break;
    case "◆": polygon(pen, [[x, y - r * 1.15], [x + r * 1.15, y], [x, y + r * 1.15], [x - r * 1.15, y]]); break;
    case "◇":
      polygon(pen, [[x, y - r], [x + r, y], [x, y + r], [x - r, y]]);
      pen.stroke();
      return;
    case "◐":
      pen.arc(x, y, r * 0.85, 0, 2 * Math.PI);
      pen.fillStyle = paper;
      pen.fill();
      pen.stroke();
      pen.beginPath();
      pen.arc(x, y, r * 0.85, Math.PI / 2, (3 * Math.PI) / 2);
      pen.fillStyle = colour;
      break;
    case "○":
      pen.arc(x, y, r * 0.8, 0, 2 * Math.PI);
      pen.stroke();
      return;
    default: pen.arc(x, y, r, 0, 2 * Math.PI);
  }
  pen.fill();
}

function polygon(pen, points) {
  points.forEach(([x, y], index) => (index ? pen.lineTo(x, y) : pen.moveTo(x, y)));
  pen.closePath();
}

/** How much thinner links are drawn when there are hundreds, to be seen through one another. */
export function thinness(graph) {
  return Math.min(1, Math.sqrt(40 / graph.links.size));
}

/** The links; `placed` says where. */
export function paintLinks(pen, scene, placed) {
  const near = scene.near;
  const thin = near ? 1 : thinness(scene.graph);
  for (const link of scene.graph.links.values()) paintLink(pen, scene, placed, link, near, thin);
  pen.globalAlpha = 1;
}

/** The nodes, and what is to be read of the links of one that is pointed at. */
export function paintNodes(pen, scene, placed) {
  const near = scene.near;
  for (const node of scene.graph.nodes.values()) {
    const place = placed.nodes.get(node.id);
    if (!place) continue;
    pen.globalAlpha = scene.clear(node, near);
    paintNode(pen, scene, node, place);
  }
  pen.globalAlpha = 1;
  if (scene.pointed ?? scene.focused) paintWords(pen, scene, placed);
}

function paintLink(pen, scene, placed, link, near, thin) {
  const points = curve(link, placed);
  if (!points) return;
  const { colours } = scene;
  const dead = link.state === "down" || link.state === "ejected";
  pen.globalAlpha = scene.clearLink(link, near) * (link.busy ? 0.85 : dead ? 0.7 : 0.4) * thin;
  pen.strokeStyle = dead ? colours.bad : link.busy ? colours.accent : colours.quiet;
  pen.lineWidth = dead || !link.busy ? 1.2 : Math.max(1.4, link.width * thin);
  pen.setLineDash(dead || link.state === "draining" ? [3, 5] : link.state === "disabled" ? [1, 5] : []);
  pen.beginPath();
  pen.moveTo(points[0], points[1]);
  pen.bezierCurveTo(...points.slice(2));
  pen.stroke();
  pen.setLineDash([]);
}

/** What goes over the links of the one that is pointed at. */
function paintWords(pen, scene, placed) {
  const id = scene.pointed ?? scene.focused;
  pen.font = FONTS.link;
  pen.textAlign = "center";
  pen.textBaseline = "middle";
  let left = 12;
  for (const link of scene.graph.links.values()) {
    if ((link.from.id !== id && link.to.id !== id) || !link.brief || (left -= 1) < 0) continue;
    const points = curve(link, placed);
    if (!points) continue;
    // Near the other end, where links are apart.
    const own = link.from.id === id;
    const share = own ? 0.62 : 0.38;
    const [x, y] = along(points, share);
    const wide = pen.measureText(link.brief).width + 10;
    pen.fillStyle = scene.colours.paper;
    pen.fillRect(x - wide / 2, y - 8, wide, 16);
    pen.fillStyle = scene.colours.quiet;
    pen.fillText(link.brief, x, y + 0.5);
  }
  pen.textAlign = "left";
}

function paintNode(pen, scene, node, place) {
  const { colours } = scene;
  const { x, y, size } = place;
  const left = x - size.w / 2;
  const top = y - size.h / 2;
  const colour = scene.colour(node);
  const chosen = node.id === scene.selected;
  const marked = node.id === scene.focused || node.id === scene.pointed;
  if (size.name === "dot") {
    sign(pen, node, x, y, SIGN.dot, colour, colours.panel);
    if (chosen || marked) ring(pen, left - 3, top - 3, size.w + 6, size.h + 6, 8, colours.accent);
    return;
  }
  pen.beginPath();
  pen.roundRect(left, top, size.w, size.h, size.name === "card" ? 8 : size.h / 2);
  pen.fillStyle = colours.panel;
  pen.fill();
  pen.lineWidth = node.trouble ? 1.6 : 1;
  pen.strokeStyle = node.trouble ? colours.bad : colours.line;
  pen.stroke();
  if (chosen || marked) ring(pen, left - 1, top - 1, size.w + 2, size.h + 2, size.name === "card" ? 9 : size.h / 2 + 1, colours.accent);
  if (size.name === "card") paintCard(pen, scene, node, left, top, size, colour);
  else paintChip(pen, scene, node, left, y, size, colour);
}

function ring(pen, x, y, w, h, r, colour) {
  pen.beginPath();
  pen.roundRect(x, y, w, h, r);
  pen.lineWidth = 2;
  pen.strokeStyle = colour;
  pen.stroke();
}

function paintCard(pen, scene, node, left, top, size, colour) {
  const { colours } = scene;
  sign(pen, node, left + 17, top + 19, SIGN.card, colour, colours.panel);
  pen.textBaseline = "alphabetic";
  pen.font = FONTS.name;
  pen.fillStyle = node.state === "disabled" ? colours.quiet : colours.ink;
  const far = node.kind === "external";
  pen.fillText(fitted(pen, node.title, size.w - 44 - (far ? 14 : 0)), left + 32, top + 23.5);
  pen.font = FONTS.brief;
  if (far) {
    pen.fillStyle = colours.quiet;
    pen.fillText("↗", left + size.w - 20, top + 23);
  }
  pen.fillStyle = node.trouble ? colours.bad : colours.quiet;
  pen.fillText(fitted(pen, node.brief, size.w - 26), left + 13, top + 41.5);
  if (node.load === null) return;
  // How full it is, along the lower edge.
  pen.beginPath();
  pen.roundRect(left + 13, top + size.h - 6, size.w - 26, 2.5, 1.25);
  pen.fillStyle = colours.raised;
  pen.fill();
  if (!node.load) return;
  pen.beginPath();
  pen.roundRect(left + 13, top + size.h - 6, Math.max(3, (size.w - 26) * node.load), 2.5, 1.25);
  pen.fillStyle = node.load >= 1 ? colours.warn : colours.accent;
  pen.fill();
}

function paintChip(pen, scene, node, left, y, size, colour) {
  const small = size.name === "tag";
  const inset = small ? 10 : 14;
  sign(pen, node, left + inset, y, SIGN[size.name], colour, scene.colours.panel);
  pen.font = small ? FONTS.tag : FONTS.chip;
  pen.textBaseline = "middle";
  pen.fillStyle = node.trouble ? scene.colours.bad : scene.colours.ink;
  pen.fillText(fitted(pen, node.title, size.w - inset - 18), left + inset + 9, y + 0.5);
}
