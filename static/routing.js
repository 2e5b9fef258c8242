// Where a request would go now, and why not elsewhere.  What is asked stands in the address.

import "/static/shell.js";
import { get, post } from "/static/ask.js";
import { el, find, say } from "/static/dom.js";
import { number } from "/static/format.js";
import { live } from "/static/live.js";
import { nodes } from "/static/parts.js";

const AGAIN = 2_000; // while something changes, the answer is had anew as often
const form = find("ask");
const model = find("model");
const whole = find("whole");
const request = find("request");
const path = find("path");
const body = find("body");

let asked = null; // what was asked last: () => Promise
let shown = "";
let due = null;

whole.hidden = false;
body.placeholder = '{"model": "llama3:8b", "messages": [{"role": "user", "content": "Hello!"}]}';

function askModel(name) {
  asked = () => get(`/api/routing/query?model_name=${encodeURIComponent(name)}`);
  return ask();
}

function askRequest(where, text) {
  const query = `path=${encodeURIComponent(where)}`;
  asked = () => post(`/api/routing/query?${query}`, text, { "content-type": "application/json" });
  return ask();
}

async function ask() {
  const mine = asked;
  const answer = await mine();
  if (mine !== asked) return; // somebody has asked for something else
  const text = JSON.stringify(answer);
  if (text === shown) return;
  shown = text;
  find("answer").replaceChildren(...(answer.ok ? explained(answer.document) : [el("p", { class: "panel bad" }, answer.error)]));
  say(find("said"), answer.ok ? headline(answer.document) : answer.error);
}

function headline({ decision }) {
  const among = decision.nodes.join(" or ");
  if (decision.verdict === "send") return among ? `It would go to ${among}` : "It would be sent";
  if (decision.verdict === "wait in line") return "It would wait in line";
  return "It would be refused";
}

function explained(told) {
  return [verdict(told), table(told)];
}

function verdict(told) {
  const size = told.size_detection;
  const facts = [
    ["Model", told.model_name ?? "none is named"],
    ["Size", size ? `${number(told.model_size_b)} B, by ${size.method === "default" ? "default" : `its ${size.method}`}${size.matched ? `: ${size.matched}` : ""}` : null],
    ["Strategy", told.scheduling_strategy],
    ["In line", told.decision.waiting ? `${number(told.decision.waiting)} wait already` : null],
    ["Route", told.request ? `${told.request.method} ${told.request.path} (${told.request.operation})` : null],
    ["Answer", told.request ? (told.request.streams ? "streams" : "comes whole") : null],
    ["Guarded", told.request?.guarded ? "only for those who may manage models" : null],
  ].filter(([, value]) => value !== null);
  return el("div", { class: "panel", id: "verdict" },
    el("h2", {}, headline(told)),
    el("p", {}, told.decision.why),
    told.will_use_fallback ? el("p", { class: "notice" }, "No node has this model. One whose size fits is asked all the same, so that its own “not found” reaches the client.") : null,
    el("dl", { class: "facts" }, facts.map(([name, value]) => [el("dt", {}, name), el("dd", {}, value)])),
  );
}

const HEADS = [["Node"], ["May it?"], ["Why"], ["In flight", "number"], ["On disk"], ["In memory"], ["Size fits"]];
const word = (value) => (value === true ? "yes" : value === false ? "no" : "not known");

function table(told) {
  const best = new Set(told.decision.nodes);
  const may = [...told.candidate_nodes, ...told.fallback_nodes];
  const rows = [...may.map((each) => [each, true]), ...told.rejected_nodes.map((each) => [each, false])];
  // Who would serve it stands first.
  rows.sort(([a], [b]) => best.has(b.name) - best.has(a.name));
  return el("div", { class: "panel scroll" },
    el("table", { class: "folds" },
      el("thead", {}, el("tr", {}, HEADS.map(([name, kind]) => el("th", { scope: "col", class: kind }, name)))),
      el("tbody", {}, rows.map(([node, able]) => row(node, able, best.has(node.name)))),
    ),
  );
}

function row(node, able, chosen) {
  const sign = chosen ? "state healthy" : able ? "state" : "state down";
  const verdict = chosen ? "would serve it" : able ? "could serve it" : node.reason ?? "no";
  return el("tr", {},
    el("th", { scope: "row" }, el("a", { href: `/nodes#${encodeURIComponent(node.name)}` }, node.name)),
    el("td", { "data-label": "May it?" }, el("span", { class: sign }, verdict)),
    el("td", { "data-label": "Why" }, (node.reasons ?? []).join("; ")),
    el("td", { class: "number", "data-label": "In flight" }, number(node.in_flight)),
    el("td", { "data-label": "On disk" }, word(node.has_model)),
    el("td", { "data-label": "In memory" }, word(node.has_loaded)),
    el("td", { "data-label": "Size fits" }, word(node.suitable_for_size)),
  );
}

// The address: the model in the query, which works without scripts too; a body after the
// hash, which is sent to nobody.

form.addEventListener("submit", (event) => {
  event.preventDefault();
  const name = model.value.trim();
  if (!name) return;
  history.pushState(null, "", `/routing?model=${encodeURIComponent(name)}`);
  askModel(name);
});

request.addEventListener("submit", (event) => {
  event.preventDefault();
  history.pushState(null, "", `/routing#${new URLSearchParams({ path: path.value, body: body.value })}`);
  askRequest(path.value, body.value);
});

function read() {
  const name = new URLSearchParams(location.search).get("model");
  const kept = new URLSearchParams(location.hash.slice(1));
  if (name) {
    model.value = name;
    askModel(name);
  } else if (kept.has("body")) {
    path.value = kept.get("path") ?? "/api/chat";
    body.value = kept.get("body");
    whole.open = true;
    askRequest(path.value, body.value);
  }
}

addEventListener("popstate", read);
read();

live.subscribe((document, change) => {
  if (change.snapshot || change.nodes.length) {
    const known = new Set(nodes(document).flatMap((each) => each.models ?? []));
    const list = find("names");
    if ([...known].some((name, index) => list.children[index]?.value !== name)) {
      list.replaceChildren(...[...known].map((name) => el("option", { value: name })));
    }
  }
  if (asked && due === null) {
    due = setTimeout(() => {
      due = null;
      if (live.status.state === "live") ask();
    }, AGAIN);
  }
});
