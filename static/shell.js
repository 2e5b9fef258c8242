// The frame of every page: whether what is shown is live, and day or night.

import { live } from "/static/live.js";
import { duration } from "/static/format.js";
import { el, find } from "/static/dom.js";

const WORDS = {
  connecting: "connecting",
  live: "live",
  stale: "stale for",
  disconnected: "disconnected for",
  paused: "paused",
};

const place = find("live");
// The state is announced; the seconds that pass are not.
const state = el("span", { role: "status" });
const since = el("span", { "aria-hidden": "true" });
place.replaceChildren(state, since);

function show(status) {
  place.dataset.state = status.state;
  const word = WORDS[status.state] + (status.state === "live" && status.polling ? " (polling)" : "");
  if (state.textContent !== word) state.textContent = word;
  document.body.classList.toggle("old", status.state === "disconnected" || status.state === "stale");
  tick();
}

function tick() {
  const { state: now, since: moment } = live.status;
  const old = now === "stale" || now === "disconnected";
  since.textContent = old ? duration(Math.max(1, Math.round((Date.now() - moment) / 1000))) : "";
}

live.onstatus(show);
setInterval(tick, 1_000);

// Day or night: as the system says, until somebody says otherwise.
const button = find("theme");
const night = matchMedia("(prefers-color-scheme: dark)");

function dark() {
  const chosen = document.documentElement.dataset.theme;
  return chosen ? chosen === "dark" : night.matches;
}

function label() {
  button.textContent = dark() ? "☀" : "☾";
  const what = dark() ? "Use light colours" : "Use dark colours";
  button.setAttribute("aria-label", what);
  button.title = what;
}

button.addEventListener("click", () => {
  const theme = dark() ? "light" : "dark";
  document.documentElement.dataset.theme = theme;
  label();
  try {
    localStorage.setItem("theme", theme);
  } catch {
    // It holds until the page is left.
  }
});
night.addEventListener("change", label);
label();
button.hidden = false;
