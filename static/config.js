// The configuration: as it is used, another one checked, and the file read again.

import "/static/shell.js";
import { get, post } from "/static/ask.js";
import { el, find, say } from "/static/dom.js";
import { plural } from "/static/format.js";
import { live } from "/static/live.js";

// Who may not change anything is not offered to; the server asks once more.
const mayManage = find("apply").dataset.manage === "yes";
find("check-panel").hidden = !mayManage;

find("check").addEventListener("submit", async (event) => {
  event.preventDefault();
  const answer = await post("/api/config/check", find("text").value, { "content-type": "application/json" });
  find("checked").replaceChildren(...judged(answer, "It can be used"));
});

function judged({ ok, document, error }, good) {
  if (ok && document?.ok !== false) {
    const nodes = typeof document?.nodes === "number" ? `: ${plural(document.nodes, "node")}` : "";
    return [
      el("p", {}, el("span", { class: "state healthy" }, `${good}${nodes}`)),
      document?.summary?.text ? el("p", {}, document.summary.text) : null,
      list(document?.warnings ?? [], (each) => String(each)),
    ].filter(Boolean);
  }
  const faults = document?.faults;
  if (!Array.isArray(faults)) return [el("p", { class: "bad" }, error)];
  return [
    el("p", {}, el("span", { class: "state down" }, plural(faults.length, "fault"))),
    list(faults, (each) => [each.path ? el("code", {}, each.path) : null, ` ${each.message}`]),
  ];
}

function list(items, content) {
  return items.length ? el("ul", { class: "faults" }, items.map((each) => el("li", {}, content(each)))) : null;
}

if (mayManage) {
  const button = find("reload");
  button.hidden = false;
  button.addEventListener("click", async () => {
    button.disabled = true;
    const answer = await post("/api/config/reload");
    button.disabled = false;
    find("reloaded").replaceChildren(...judged(answer, "It is used now"));
    if (answer.ok) show();
  });
}

async function show() {
  const { ok, document } = await get("/api/config");
  if (!ok) return;
  say(find("now"), JSON.stringify(document.config, null, 2));
  say(find("source"), document.config_file ?? "");
  find("warnings").replaceChildren(...(document.warnings ?? []).map((each) => el("li", {}, String(each))));
}

live.subscribe((document, change) => {
  if (change.events.some((each) => each.kind === "reloaded")) show();
});
