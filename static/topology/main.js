// The page: one live graph, three ways to look at it, and its address.

import { live } from "../live.js";
import { History } from "../history.js";
import { el, find, keep, say } from "../dom.js";
import "../shell.js";
import { FILTERS, meant } from "./filter.js";
import { Graph } from "./graph.js";
import { fill } from "./help.js";
import { Log } from "./log.js";
import { palette } from "./palette.js";
import { Panel } from "./panel.js";
import { Picker } from "./picker.js";
import { read, write } from "./place.js";
import { Scene, signs } from "./scene.js";
import { TableView } from "./table.js";
import { View2D } from "./view2d.js";
import { wanted } from "./webgl.js";

const graph = new Graph();
const scene = new Scene(graph);
const place = read(location.search);
const quiet = matchMedia("(prefers-reduced-motion: reduce)");
const root = document.querySelector(".topology");
const picture = find("picture");
const tip = find("tip");

const does = {
  choose,
  point,
  focus: (id) => mark({ focused: id }),
  tall: (height) => (find("stage").style.height = height ? `${height}px` : ""),
};
const history = new History();
const panel = new Panel(find("details"), history, does);
const log = new Log(find("log"), find("nothing"), find("said"));
const picker = new Picker(find("picker"), does, () => view.places);
const views = { "2d": new View2D(picture, scene, does), table: new TableView(find("tables"), scene, does) };
let view = views["2d"];
/** Why the view is not the one that was asked for. */
let instead = "";

scene.still = quiet.matches;
scene.selected = place.selected;
quiet.addEventListener("change", () => {
  scene.still = quiet.matches;
  view.redraw();
});
palette((colours) => {
  scene.colours = colours;
  view.redraw();
});

function remember() {
  window.history.replaceState(null, "", location.pathname + write(place));
}

/** Change what stands out in the picture. */
function mark(what) {
  Object.assign(scene, what);
  view.redraw();
  if (what.focused) view.reveal(what.focused);
}

function choose(id) {
  if (id === place.selected && id !== null) return;
  const before = place.selected;
  place.selected = scene.selected = id;
  remember();
  show();
  if (id !== null) {
    view.reveal(id);
    panel.title.focus({ preventScroll: matchMedia("(min-width: 56rem)").matches });
  } else if (before !== null && find("side").contains(document.activeElement)) (view === views.table ? view : picker).focus(before) || find("search").focus();
  view.redraw();
}

function point(id, x, y, words = null) {
  if (scene.pointed !== id) mark({ pointed: id });
  const node = graph.nodes.get(id);
  tip.hidden = words ? !words.length : !node;
  if (tip.hidden) return;
  const lines = words ?? [node.title, [node.state === "none" ? node.kind : node.state, node.brief === node.state ? "" : node.brief].filter(Boolean).join(" · ")];
  tip.replaceChildren(el("b", {}, lines[0]), lines[1]);
  tip.style.left = `${Math.max(8, Math.min(x + 14, picture.clientWidth - tip.offsetWidth - 8))}px`;
  tip.style.top = `${y + 18 + tip.offsetHeight > picture.clientHeight ? y - tip.offsetHeight - 10 : y + 18}px`;
}

/** All that depends on what is chosen and meant. */
function show() {
  const { nodes } = graph;
  scene.meant = meant(graph, place.filter, place.search);
  const node = nodes.get(place.selected);
  panel.show(node, graph);
  picker.update([...nodes.values()].sort((a, b) => a.layer - b.layer), scene.meant, place.selected);
  say(find("matches"), scene.meant ? `${scene.meant.size} of ${nodes.size}` : "");
  const summary = graph.summary;
  if (picture.getAttribute("aria-label") !== summary) picture.setAttribute("aria-label", summary);
  keep(find("legend"), signs(graph), (each) => each.name, (each) => {
    const element = el("li", { "data-state": each.state, "data-kind": each.kind }, el("span", { class: "sign", "aria-hidden": "true" }, each.sign), each.name);
    return element;
  });
  speak();
}

/** What is to be said about the page as a whole, over the picture. */
function speak() {
  const word = find("word");
  const { state } = live.status;
  let text = "";
  if (live.document.seq < 0) text = state === "disconnected" ? "The server does not answer. This page tries again by itself." : state === "paused" ? "" : "Waiting for the first news …";
  else if (!graph.nodes.size) text = "There is no node yet.";
  say(word, text || instead);
  word.classList.toggle("aside", !text && Boolean(instead));
}

async function look(name) {
  instead = "";
  let next = views[name];
  if (name === "3d") {
    if (!next) next = await solid();
    if (!next) {
      name = "2d";
      next = views["2d"];
    }
  }
  for (const input of document.querySelectorAll('input[name="view"]')) input.checked = input.value === name;
  find("legend").hidden = name === "table";
  // The table has buttons of its own.
  find("picker").hidden = picture.hidden = name === "table";
  point(null, 0, 0);
  if (view !== next || !shown) {
    view.hide();
    view = next;
    view.show();
    shown = true;
    view.update();
  }
  speak();
}
let shown = false;

/** The picture in space, if this browser can draw one; fetched when it is first wanted. */
async function solid() {
  try {
    say(find("word"), "Fetching the 3D view …");
    const { View3D } = await import("./view3d.js");
    views["3d"] = await View3D.begin(picture, scene, does, () => lost("The 3D picture was lost: its graphics context has gone. This is the same in 2D."));
    return views["3d"];
  } catch (error) {
    instead = error.message;
    return null;
  }
}

function lost(why) {
  delete views["3d"];
  look("2d").then(() => {
    instead = why;
    speak();
  });
}

function ask(name) {
  place.view = name;
  try {
    localStorage.setItem("topology", name);
  } catch {
    // This browser keeps nothing.
  }
  remember();
  look(name);
}

// What people do.

for (const input of document.querySelectorAll('input[name="view"]')) input.addEventListener("change", () => ask(input.value));
const filter = find("filter");
filter.append(...FILTERS.map(([name, title]) => el("option", { value: name }, title)));
filter.value = place.filter;
const search = find("search");
search.value = place.search;
const sought = () => {
  place.filter = filter.value;
  place.search = search.value.trim();
  remember();
  show();
  view.update();
  view.redraw();
};
filter.addEventListener("change", sought);
search.addEventListener("input", sought);
find("fit").addEventListener("click", () => view.fit());
const help = find("help");
fill(find("help-text"));
find("ask").addEventListener("click", () => help.showModal());
const full = find("full");
full.hidden = !document.fullscreenEnabled;
const fill_screen = () => (document.fullscreenElement ? document.exitFullscreen() : root.requestFullscreen()).catch(() => {});
full.addEventListener("click", fill_screen);
document.addEventListener("fullscreenchange", () => say(full, document.fullscreenElement ? "Leave full screen" : "Full screen"));
root.classList.toggle("wall", place.wall);

function back() {
  if (find("side").contains(document.activeElement) && place.selected !== null) choose(null);
  else if (find("picker").contains(document.activeElement)) document.querySelector('input[name="view"]:checked')?.focus();
  else if (place.selected !== null) choose(null);
  else if (document.activeElement === search) search.blur();
}

const KEYS = {
  1: () => ask("3d"),
  2: () => ask("2d"),
  3: () => ask("table"),
  0: () => view.fit(),
  "+": () => view.zoom?.(1.25),
  "-": () => view.zoom?.(0.8),
  "/": () => search.focus(),
  "?": () => help.showModal(),
  f: fill_screen,
  r: () => view.turn?.(),
};
document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || help.open) return;
  if (event.key === "Escape") return back();
  const typing = event.target.matches?.('input:not([type="radio"]), select, textarea');
  const call = typing ? null : KEYS[event.key];
  if (!call) return;
  event.preventDefault();
  call();
});

// What comes.

live.subscribe((document, change) => {
  // An exporter remembers nothing that it could be asked for.
  if (graph.shape === 0) history.load(Boolean(document.gateway));
  const turns = graph.take(document);
  // What had changed before this page looked is no news.
  log.update(document, change.snapshot && graph.shape === 1 ? [] : turns);
  show();
  view.update();
});
let before = "connecting";
live.onstatus(({ state, polling }) => {
  // What was missed in between, the server knows.
  if (state === "live" && before !== "live" && !polling && live.document.gateway) history.load();
  before = state;
  speak();
});
look("2d");
const usual = place.view ?? wanted(() => localStorage.getItem("topology"), quiet.matches, innerWidth);
if (usual !== "2d") look(usual);
