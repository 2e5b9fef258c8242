import assert from "node:assert/strict";
import test from "node:test";

import { meant } from "../../../static/topology/filter.js";
import { Graph, facts, widthOf } from "../../../static/topology/graph.js";
import { exporter, gateway } from "./documents.mjs";

const graphOf = (document) => {
  const graph = new Graph();
  graph.take(document);
  return graph;
};

test("what stays the same object while its numbers change, and the shape does not grow", () => {
  const graph = graphOf(gateway(["a", "b"]));
  const [node, link, shape] = [graph.nodes.get("a"), graph.links.get("gateway->a"), graph.shape];
  const next = gateway(["a", "b"]);
  next.nodes.get("a").in_flight = 3;
  assert.deepEqual(graph.take(next), []);
  assert.equal(graph.nodes.get("a"), node);
  assert.equal(graph.links.get("gateway->a"), link);
  assert.equal(node.load, 0.75);
  assert.equal(graph.shape, shape);
});

test("a node that comes or goes makes the shape grow, and takes its links along", () => {
  const graph = graphOf(gateway(["a", "b"]));
  const shape = graph.shape;
  graph.take(gateway(["a"]));
  assert.equal(graph.shape, shape + 1);
  assert.equal(graph.links.has("gateway->b"), false);
});

test("a change of state is told once", () => {
  const graph = graphOf(gateway(["a"]));
  const turns = graph.take(gateway(["a"], { states: { a: "down" } }));
  assert.deepEqual(turns.map(({ node, from, to }) => [node.id, from, to]), [["a", "healthy", "down"]]);
  assert.deepEqual(graph.take(gateway(["a"], { states: { a: "down" } })), []);
  assert.equal(graph.nodes.get("a").brief, "refused");
  assert.match(graph.summary, /^1 node: 1 down\. 1 model in memory/);
});

test("an exporter's links are drawn towards its node, its models stand behind it", () => {
  const graph = graphOf(exporter());
  const link = graph.links.get("node1->router");
  assert.deepEqual([link.from.id, link.to.id, link.pace], ["router", "node1", 930]);
  assert.ok(link.back > link.there && link.there > 0);
  assert.equal(graph.links.get("node1->other").pace, null);
  assert.deepEqual(graph.nodes.get("model:llama3:8b").brief, "1 node");
  assert.equal(graph.nodes.get("router").layer, graph.nodes.get("other").layer);
});

test("kinds, states and fields that are not known are no fault", () => {
  const document = gateway(["a"]);
  document.nodes.set("x", { id: "x", kind: "oracle", state: "dreaming" });
  document.links.set("x->nobody", { id: "x->nobody", source: "x", target: "nobody" });
  const graph = graphOf(document);
  assert.equal(graph.nodes.get("x").brief, "dreaming");
  assert.equal(graph.links.has("x->nobody"), false);
  assert.deepEqual(facts(graph.nodes.get("x")), []);
});

test("a link is wider with more bytes, and never too wide", () => {
  assert.equal(widthOf(null), 1);
  assert.ok(widthOf(1e3) > widthOf(10) && widthOf(1e6) > widthOf(1e3));
  assert.equal(widthOf(1e15), 8);
});

test("words find nodes in one place or in all; a minus leaves out", () => {
  const graph = graphOf(gateway(["a", "b"], { states: { b: "down" } }));
  const found = (filter, search) => [...(meant(graph, filter, search) ?? ["all"])];
  assert.deepEqual(found("all", ""), ["all"]);
  assert.deepEqual(found("trouble", ""), ["b"]);
  assert.deepEqual(found("all", "model:LLAMA"), ["a", "model:llama3:8b"]);
  assert.deepEqual(found("all", "cellar -state:down"), ["a"]);
  assert.deepEqual(found("all", "kind:model"), ["model:llama3:8b"]);
  assert.deepEqual(found("all", "nobody"), []);
});
