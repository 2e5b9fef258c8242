// Can this browser draw in space, and should it without being asked?

/** Why it cannot; null if it can. */
export function hindrance() {
  const canvas = document.createElement("canvas");
  const context = canvas.getContext("webgl2");
  if (!context) return "This browser has no WebGL 2: this is the same in 2D.";
  context.getExtension("WEBGL_lose_context")?.loseContext();
  return null;
}

/** Does its graphics processor do the work, and not the one that everything else needs? */
function fast() {
  const canvas = document.createElement("canvas");
  const context = canvas.getContext("webgl2", { failIfMajorPerformanceCaveat: true });
  context?.getExtension("WEBGL_lose_context")?.loseContext();
  return Boolean(context);
}

const ROOM = 900;

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
