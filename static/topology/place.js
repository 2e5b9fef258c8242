// What of the page stands in its address, so that it can be shared and comes back as it was.

import { FILTERS } from "./filter.js";

export const VIEWS = ["3d", "2d", "table"];

const LONGEST = 200;

/** What the query of an address asks for; what it does not say, or says wrongly, is as usual. */
export function read(query) {
  const asked = new URLSearchParams(query);
  const one = (name, allowed, usual) => (allowed.includes(asked.get(name)) ? asked.get(name) : usual);
  return {
    view: one("view", VIEWS, null),
    selected: (asked.get("selected") ?? "").slice(0, LONGEST) || null,
    filter: one("filter", FILTERS.map(([name]) => name), "all"),
    search: (asked.get("search") ?? "").slice(0, LONGEST),
    wall: asked.get("wall") === "1",
  };
}

/** The query of a place; what is as usual is left out. */
export function write(place) {
  const asked = new URLSearchParams();
  if (place.view) asked.set("view", place.view);
  if (place.selected) asked.set("selected", place.selected);
  if (place.filter !== "all") asked.set("filter", place.filter);
  if (place.search) asked.set("search", place.search);
  if (place.wall) asked.set("wall", "1");
  const query = asked.toString();
  return query ? `?${query}` : "";
}
