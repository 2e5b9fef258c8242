import assert from "node:assert/strict";
import test from "node:test";

import { Camera } from "../../../static/topology/camera.js";
import { Flow } from "../../../static/topology/flow.js";
import { Graph } from "../../../static/topology/graph.js";
import { Layout, along, curve } from "../../../static/topology/layout.js";
import { neighbour } from "../../../static/topology/picker.js";
import { read, write } from "../../../static/topology/place.js";
import { compare } from "../../../static/topology/table.js";
import { gateway } from "./documents.mjs";

const pool = (count) => Array.from({ length: count }, (_, index) => `gpu-${index}`);
const graphOf = (document) => {
  const graph = new Graph();
  graph.take(document);
  return graph;
};
const loaded = (names) => Object.fromEntries(names.map((name, index) => [name, [`model-${index % 7}`]]));

for (const [count, width, height] of [[1, 1280, 700], [6, 1100, 800], [40, 1100, 700], [200, 1105, 808], [200, 1600, 950], [12, 320, 500], [200, 320, 500]]) {
  test(`${count} nodes at ${width} x ${height}: none over another, none outside`, () => {
    const names = pool(count);
    const placed = new Layout().place(graphOf(gateway(names, { models: loaded(names) })), width, height);
    const boxes = [...placed.nodes.values()].map(({ x, y, size }) => [x - size.w / 2, y - size.h / 2, x + size.w / 2, y + size.h / 2]);
    for (const [left, top, right, bottom] of boxes) {
      assert.ok(left >= 0 && top >= 0 && right <= placed.width + 0.01 && bottom <= placed.height + 0.01, `${left} ${top} ${right} ${bottom}`);
    }
    boxes.sort((a, b) => a[0] - b[0]);
    boxes.forEach((a, index) => {
      for (const b of boxes.slice(index + 1)) {
        if (b[0] >= a[2]) break;
        assert.ok(b[1] >= a[3] || a[1] >= b[3], "one over another");
      }
    });
  });
}

test("clients stand before the gateway, the gateway before nodes, nodes before models", () => {
  const placed = new Layout().place(graphOf(gateway(["a", "b"])), 1200, 700);
  const x = (id) => placed.nodes.get(id).x;
  assert.ok(x("clients") < x("gateway") && x("gateway") < x("a") && x("a") === x("b") && x("b") < x("model:llama3:8b"));
});

test("who has a place keeps it among the others; one that goes leaves it to the next", () => {
  const layout = new Layout();
  const order = (names) => {
    const placed = layout.place(graphOf(gateway(names)), 1200, 700);
    return [...names].sort((a, b) => placed.nodes.get(a).y - placed.nodes.get(b).y);
  };
  assert.deepEqual(order(["a", "b", "c"]), ["a", "b", "c"]);
  assert.deepEqual(order(["c", "a"]), ["a", "c"]);
  assert.deepEqual(order(["c", "d", "a"]), ["a", "d", "c"]);
});

test("in space nobody stands where another does, and a newcomer moves nobody of many", () => {
  const layout = new Layout();
  const before = layout.spread(graphOf(gateway(pool(60))));
  assert.equal(new Set([...before.values()].map(({ x, y, z }) => `${x} ${y.toFixed(3)} ${z.toFixed(3)}`)).size, before.size);
  const after = layout.spread(graphOf(gateway(pool(61))));
  for (const id of pool(60)) assert.deepEqual(after.get(id), before.get(id));
});

test("a link goes from edge to edge", () => {
  const graph = graphOf(gateway(["a"]));
  const placed = new Layout().place(graph, 1200, 700);
  const points = curve(graph.links.get("gateway->a"), placed);
  const [from, to] = [placed.nodes.get("gateway"), placed.nodes.get("a")];
  assert.deepEqual(along(points, 0), [from.x + from.size.w / 2, from.y]);
  assert.deepEqual(along(points, 1), [to.x - to.size.w / 2, to.y]);
});

test("as many dots as there is traffic, within bounds, and none on a link that has gone", () => {
  const graph = graphOf(gateway(pool(400)));
  const flow = new Flow();
  let most = 0;
  for (let step = 0; step < 200; step += 1) {
    assert.equal(flow.pass(0.05, graph.links), true);
    most = Math.max(most, flow.dots.length);
    assert.ok(flow.dots.every(({ t }) => t >= 0 && t < 1));
  }
  assert.ok(most > 50 && most <= 260, String(most));
  graph.links.clear();
  assert.equal(flow.pass(0.05, graph.links), false);
  assert.equal(flow.dots.length, 0);
});

test("a camera shows all of it until somebody moves it, and keeps what is under the pointer", () => {
  const camera = new Camera();
  camera.fit({ width: 2000, height: 500 }, 1000, 500);
  assert.deepEqual([camera.scale, camera.from(1000, 250)], [0.5, [500, 250]]);
  const before = camera.at(300, 100);
  camera.zoom(2, 300, 100);
  assert.deepEqual(camera.at(300, 100), before);
  camera.fit({ width: 10, height: 10 }, 1000, 500);
  assert.equal(camera.scale, 1);
});

test("arrows go to the nearest in their direction", () => {
  const places = new Map([["a", { x: 0, y: 0 }], ["b", { x: 100, y: 10 }], ["c", { x: 60, y: 90 }], ["d", { x: 0, y: 50 }]]);
  assert.equal(neighbour(places, "a", [1, 0]), "b");
  assert.equal(neighbour(places, "a", [0, 1]), "d");
  assert.equal(neighbour(places, "a", [-1, 0]), null);
  assert.equal(neighbour(places, "nobody", [1, 0]), null);
});

test("an address holds a view, and what is wrong in it is as usual", () => {
  const place = { view: "2d", selected: "model:llama3:8b", filter: "busy", search: "a b&c", wall: true };
  assert.deepEqual(read(write(place)), place);
  assert.deepEqual(read("?view=4d&filter=%00&wall=yes"), { view: null, selected: null, filter: "all", search: "", wall: false });
  assert.equal(write(read("")), "");
});

test("what is not known is sorted to the end, either way", () => {
  const sorted = (falling) => [3, null, 20, undefined, ""].sort((a, b) => compare(a, b, falling)).slice(0, 2);
  assert.deepEqual([sorted(false), sorted(true)], [[3, 20], [20, 3]]);
  assert.ok(compare("gpu-2", "gpu-10", false) < 0);
});
