// Asking the gateway for something, and what came of it, for people.

/** Posts a body, or none: { ok, status, document, error }; `error` is in words if not ok. */
export async function post(path, body = null, headers = {}) {
  let answer;
  try {
    answer = await fetch(path, { method: "POST", body, headers, cache: "no-store" });
  } catch {
    return { ok: false, status: 0, document: null, error: "the gateway does not answer" };
  }
  return told(answer);
}

/** The same of a GET. */
export async function get(path) {
  let answer;
  try {
    answer = await fetch(path, { cache: "no-store" });
  } catch {
    return { ok: false, status: 0, document: null, error: "the gateway does not answer" };
  }
  return told(answer);
}

async function told(answer) {
  const text = await answer.text();
  let document = null;
  try {
    document = JSON.parse(text);
  } catch {
    // An answer of somebody in between; its status says enough.
  }
  const error = answer.ok ? "" : document?.error ?? `${answer.status} ${answer.statusText}`;
  return { ok: answer.ok, status: answer.status, document, error: String(error) };
}
