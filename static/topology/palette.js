// The colours of the page's style sheet, for what is drawn and not styled.

const NAMES = ["ink", "quiet", "paper", "panel", "raised", "line", "accent", "good", "warn", "bad"];

/** What each state is drawn in; its sign is what tells it apart. */
const STATES = { healthy: "good", down: "bad", ejected: "bad", draining: "warn", disabled: "quiet", unknown: "quiet" };

/** Reads the colours, and tells `changed` when day becomes night. */
export function palette(changed) {
  const probe = document.createElement("span");
  probe.hidden = true;
  document.body.append(probe);
  const found = {};
  function read() {
    for (const name of NAMES) {
      probe.style.color = `var(--${name})`;
      found[name] = getComputedStyle(probe).color;
    }
    found.dark = luminance(found.paper) < 0.5;
    changed(found);
  }
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", read);
  new MutationObserver(read).observe(document.documentElement, { attributeFilter: ["data-theme"] });
  read();
  return found;
}

export function colourOf(colours, state, usual = "accent") {
  return colours[STATES[state] ?? usual];
}

function luminance(colour) {
  const [red, green, blue] = (colour.match(/[\d.]+/g) ?? [0, 0, 0]).map(Number);
  return (0.299 * red + 0.587 * green + 0.114 * blue) / 255;
}
