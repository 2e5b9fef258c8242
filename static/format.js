// Numbers as people read them, and small charts.  What is not known is a dash.

export const UNKNOWN = "–";

const known = (value) => typeof value === "number" && Number.isFinite(value);

/** Three digits that count, and a letter for the thousands: 0.42, 7, 38.1, 1.25k. */
export function number(value) {
  if (!known(value)) return UNKNOWN;
  const size = Math.abs(value);
  for (const [limit, letter] of [[1e9, "G"], [1e6, "M"], [1e4, "k"]]) {
    if (size >= limit) return trimmed(value / (limit === 1e4 ? 1e3 : limit)) + letter;
  }
  return trimmed(value);
}

function trimmed(value) {
  const size = Math.abs(value);
  if (size >= 1000) return Math.round(value).toLocaleString("en");
  const digits = size >= 100 ? 0 : size >= 10 ? 1 : 2;
  return String(Number(value.toFixed(digits)));
}

/** Bytes in the units that Ollama prints: 815 MB, 4.7 GB. */
export function bytes(value) {
  if (!known(value)) return UNKNOWN;
  for (const [limit, unit] of [[1e12, "TB"], [1e9, "GB"], [1e6, "MB"], [1e3, "kB"]]) {
    if (Math.abs(value) >= limit) return `${trimmed(value / limit)} ${unit}`;
  }
  return `${Math.round(value)} B`;
}

/** Seconds: 850 ms, 3.2 s, 4 min 10 s, 3 h 20 min, 2 d 4 h. */
export function duration(value) {
  if (!known(value)) return UNKNOWN;
  if (value < 0.9995) return `${Math.round(value * 1000)} ms`;
  if (value < 59.95) return `${trimmed(value < 10 ? Math.round(value * 10) / 10 : Math.round(value))} s`;
  for (const [large, small, one, other] of [[86400, 3600, "d", "h"], [3600, 60, "h", "min"], [60, 1, "min", "s"]]) {
    if (value < large) continue;
    const rest = Math.floor((value % large) / small);
    return `${Math.floor(value / large)} ${one}${rest ? ` ${rest} ${other}` : ""}`;
  }
  return UNKNOWN;
}

/** The clock of a moment in ISO form, as this browser's people read it: 14:03:59. */
export function clock(iso) {
  const moment = new Date(iso ?? NaN);
  return Number.isNaN(moment.getTime()) ? UNKNOWN : moment.toTimeString().slice(0, 8);
}

/** How long until (negative: since) a moment in ISO form, in seconds; null if it is none. */
export function secondsUntil(iso, now = Date.now()) {
  const moment = Date.parse(iso ?? "");
  return Number.isNaN(moment) ? null : (moment - now) / 1000;
}

/** "1 node", "2 nodes". */
export function plural(count, one, many = `${one}s`) {
  return `${number(count)} ${count === 1 ? one : many}`;
}

const SVG = "http://www.w3.org/2000/svg";

/** An element of SVG with its attributes. */
export function svg(name, attributes = {}, ...children) {
  const element = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  element.append(...children);
  return element;
}

/** The runs of known values in a list, each as [[index, value], ...]: a gap is not drawn over. */
export function runs(values) {
  const found = [];
  let run = null;
  values.forEach((value, index) => {
    if (!known(value)) run = null;
    else if (run) run.push([index, value]);
    else found.push((run = [[index, value]]));
  });
  return found;
}

/** The largest known value, at least `least`. */
export function top(values, least = 0) {
  return values.reduce((most, value) => (known(value) && value > most ? value : most), least);
}

/** The path of a line through `values` in a box; `area` closes it down to the ground. */
export function path(values, width, height, most, area = false) {
  const step = width / Math.max(values.length - 1, 1);
  const y = (value) => (height - 1 - (most ? value / most : 0) * (height - 2)).toFixed(1);
  return runs(values)
    .map((run) => {
      const points = run.map(([index, value]) => `${(index * step).toFixed(1)} ${y(value)}`);
      if (points.length === 1) points.push(`${(run[0][0] * step + 0.1).toFixed(1)} ${y(run[0][1])}`);
      const line = `M${points.join("L")}`;
      if (!area) return line;
      const end = run.at(-1)[0] * step;
      return `${line}L${end.toFixed(1)} ${height}L${(run[0][0] * step).toFixed(1)} ${height}Z`;
    })
    .join("");
}

/** A line the size of a word; `label` is what somebody is told who cannot see it. */
export function sparkline(values, { width = 96, height = 22, label = "", least = 0 } = {}) {
  const most = top(values, least);
  const picture = svg("svg", {
    class: "sparkline", viewBox: `0 0 ${width} ${height}`, width, height, preserveAspectRatio: "none",
    ...(label ? { role: "img", "aria-label": label } : { "aria-hidden": "true" }),
  });
  picture.append(
    svg("path", { class: "area", d: path(values, width, height, most, true) }),
    svg("path", { class: "line", d: path(values, width, height, most) }),
  );
  return picture;
}
