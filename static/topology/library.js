// 3d-force-graph, which is large: fetched once, when it is first wanted, from our own server.

const PATH = "/static/vendor/3d-force-graph.min.js";

let fetched = null;

/** Its class, or an Error with words for people. */
export function library() {
  fetched ??= new Promise((resolve, reject) => {
    const script = document.createElement("script");
    script.src = PATH;
    script.onload = () => resolve(globalThis.ForceGraph3D);
    script.onerror = () => {
      fetched = null;
      script.remove();
      reject(new Error("The 3D view could not be fetched from the server: this is the same in 2D."));
    };
    document.head.append(script);
  });
  return fetched;
}
