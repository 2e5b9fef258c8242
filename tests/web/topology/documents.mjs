// Live documents as the servers tell them, for the tests of what is made of them.

const byId = (items) => new Map(items.map((each) => [each.id, each]));

export function gateway(names, { models = { a: ["llama3:8b"] }, states = {} } = {}) {
  const loaded = (name) => (models[name] ?? []).map((each) => ({ name: each, vram_bytes: 5e9 }));
  const all = [...new Set(names.flatMap((name) => models[name] ?? []))];
  return {
    role: "gateway",
    gateway: {},
    events: [],
    nodes: byId([
      { id: "clients", kind: "client", title: "clients", connections: 2 },
      { id: "gateway", kind: "gateway", title: "gateway", in_flight: 1, waiting: 0 },
      ...names.map((id) => ({
        id, kind: "node", title: id, state: states[id] ?? "healthy", error: states[id] === "down" ? "refused" : "",
        in_flight: 1, max_in_flight: 4, tokens_per_second: 38.1, loaded: loaded(id), models: ["phi3:3.8b"], labels: { room: "cellar" },
      })),
      ...all.map((name) => ({ id: `model:${name}`, kind: "model", title: name, nodes: 1 })),
    ]),
    links: byId([
      { id: "clients->gateway", source: "clients", target: "gateway", requests_per_second: 2, bytes_per_second: 4000 },
      ...names.map((id) => ({ id: `gateway->${id}`, source: "gateway", target: id, requests_per_second: 1, bytes_per_second: 2000 })),
      ...names.flatMap((id) => (models[id] ?? []).map((name) => ({ id: `${id}->model:${name}`, source: id, target: `model:${name}`, vram_bytes: 5e9 }))),
    ]),
  };
}

export function exporter() {
  return {
    nodes: byId([
      { id: "node1", kind: "node", title: "node1", up: true, connections: 3, models: ["llama3:8b"], sent_bytes_per_second: 900, bytes: { method: "ss_events", quality: "exact" } },
      { id: "router", kind: "router", title: "router", up: true, connections: 2 },
      { id: "other", kind: "other", title: "others", up: true, connections: 1 },
    ]),
    links: byId([
      { id: "node1->router", source: "node1", target: "router", connections: 2, sent_bytes_per_second: 900, recv_bytes_per_second: 30 },
      { id: "node1->other", source: "node1", target: "other", connections: 1, sent_bytes_per_second: null, recv_bytes_per_second: null },
    ]),
    events: [],
  };
}
