// Can this browser draw in space, and should it without being asked?

/** Graphics processors that are none: the processor does their work. */
const SOFT = /swiftshader|llvmpipe|softpipe|software|basic render/i;
const ROOM = 900;

/** What `look` makes of a context that is given back at once; null without one. */
function tried(look, options) {
  const context = document.createElement("canvas").getContext("webgl2", options);
  if (!context) return null;
  const found = look(context);
  context.getExtension("WEBGL_lose_context")?.loseContext();
  return found;
}

/** Why it cannot; null if it can. */
export function hindrance() {
  return tried(() => true) ? null : "This browser has no WebGL 2: this is the same in 2D.";
}

/** Does a graphics processor do the work, and not the one that everything else needs? */
export function fast() {
  const name = tried((context) => {
    const more = context.getExtension("WEBGL_debug_renderer_info");
    return String(context.getParameter(more ? more.UNMASKED_RENDERER_WEBGL : context.RENDERER));
  }, { failIfMajorPerformanceCaveat: true });
  return name !== null && !SOFT.test(name);
}

/** The view to begin with, if the address names none: the one that was last chosen here, if any. */
export function wanted(kept, still, width) {
  let chosen = null;
  try {
    chosen = kept();
  } catch {
    // This browser keeps nothing.
  }
  if (["3d", "2d", "table"].includes(chosen)) return chosen;
  return !still && width >= ROOM && fast() ? "3d" : "2d";
}
