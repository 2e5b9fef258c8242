// Elements made of text and of other elements: names of nodes and models come from
// outsiders, and nothing here, nor in any page, takes a string for HTML.

/**
 * An element.  `properties` are set as attributes (`class`, `href`, `data-x`, `aria-label`;
 * `true` for one without a value, null and false for none), functions as listeners
 * (`onclick`).  Children are elements, texts, lists of these, or null.
 */
export function el(name, properties = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(properties)) {
    if (typeof value === "function") element.addEventListener(key.slice(2), value);
    else if (value !== null && value !== undefined && value !== false) element.setAttribute(key, value === true ? "" : value);
  }
  element.append(...children.flat(Infinity).filter((each) => each !== null && each !== undefined && each !== false));
  return element;
}

/** Sets a text, and touches nothing if it is there already. */
export function say(element, text) {
  if (element && element.textContent !== String(text)) element.textContent = text;
}

/** The element of this page that a script counts on. */
export function find(id) {
  const element = document.getElementById(id);
  if (!element) throw new Error(`this page has no #${id}`);
  return element;
}

/**
 * Brings the children of `parent` in line with `items`, in order, one for each key.
 *
 * `make(item)` makes a child whose `update(item)` is called with each newer item; the
 * children that stay are not made anew, so that focus and selection stay as well.
 */
export function keep(parent, items, key, make) {
  const wanted = new Set(items.map(key));
  const had = new Map();
  for (const child of [...parent.children]) {
    if (wanted.has(child.kept)) had.set(child.kept, child);
    else child.remove();
  }
  let place = parent.firstElementChild;
  for (const item of items) {
    const name = key(item);
    let child = had.get(name);
    if (!child) {
      child = make(item);
      child.kept = name;
    }
    child.update?.(item);
    if (child === place) place = place.nextElementSibling;
    else parent.insertBefore(child, place);
  }
}
