// An exporter's landing page, live: the Ollamas here, who is connected to them, how many bytes go by.

import "/static/shell.js";
import { el, find, keep, say } from "/static/dom.js";
import { bytes, duration, number, sparkline } from "/static/format.js";
import { History } from "/static/history.js";
import { live } from "/static/live.js";
import { chip, isNode, nodes } from "/static/parts.js";

const history = new History();
const pace = (value) => (typeof value === "number" ? `${bytes(value)}/s` : number(value));

function state(node) {
  if (node.up === true) return el("span", { class: "state healthy" }, `up${node.version ? `, ${node.version}` : ""}`);
  if (node.up === false) return [el("span", { class: "state down" }, "down"), el("div", { class: "why" }, node.error ?? "")];
  return el("span", { class: "state" }, "not asked yet");
}

function nodeRow(node) {
  const cell = (label, kind = null) => el("td", { class: kind, "data-label": label });
  const port = cell("Port", "number");
  const how = cell("State");
  const connected = cell("Connected", "number");
  const sent = cell("Sent", "number");
  const received = cell("Received", "number");
  const measured = cell("Measured");
  const loaded = cell("In memory");
  const row = el("tr", {}, el("th", { scope: "row" }, node.title), port, how, connected, sent, received, measured, loaded);
  row.draw = () => {
    for (const [place, name] of [[sent, "sent_bytes_per_second"], [received, "recv_bytes_per_second"]]) {
      place.replaceChildren(sparkline(history.series(node.id, name), { width: 72 }), el("span", { class: "figure" }, pace(row.node[name])));
    }
  };
  row.update = (each) => {
    row.node = each;
    say(port, each.port ?? "");
    how.replaceChildren(...[state(each)].flat());
    say(connected, number(each.connections));
    say(measured, each.bytes?.quality ?? "not measured");
    loaded.replaceChildren(el("ul", { class: "chips" }, (each.models ?? []).map((name) => chip(name, true))));
    row.draw();
  };
  return row;
}

function linkRow() {
  const who = el("th", { scope: "row" });
  const to = el("td", { "data-label": "To" });
  const count = el("td", { class: "number", "data-label": "Connections" });
  const sent = el("td", { class: "number", "data-label": "Sent to them" });
  const received = el("td", { class: "number", "data-label": "Received from them" });
  const trip = el("td", { class: "number", "data-label": "Round trip" });
  const row = el("tr", {}, who, to, count, sent, received, trip);
  row.update = (each) => {
    const title = (id) => live.document.nodes.get(id)?.title ?? id;
    say(who, title(each.target));
    say(to, title(each.source));
    say(count, number(each.connections));
    say(sent, pace(each.sent_bytes_per_second));
    say(received, pace(each.recv_bytes_per_second));
    say(trip, roundTrip(each.rtt_seconds));
  };
  return row;
}

function roundTrip(seconds) {
  return typeof seconds === "number" && seconds < 0.001 ? `${Math.round(seconds * 1e6)} µs` : duration(seconds);
}

live.subscribe((document, change) => {
  keep(find("nodes"), nodes(document), (each) => each.id, nodeRow);
  const links = [...document.links.values()].filter((each) => isNode(document.nodes.get(each.source)));
  keep(find("links"), links, (each) => each.id, linkRow);
  find("links-panel").hidden = !links.length;
  if (change.snapshot) history.load(false);
});

history.subscribe(() => {
  for (const row of find("nodes").children) row.draw?.();
});
