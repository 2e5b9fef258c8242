// The server's live document, kept current.
//
// One stream of server-sent events (/api/events): a snapshot, then what has changed.
// It is read with fetch and not with EventSource, because the server's heartbeats are
// comments, and only who sees those can tell "nothing has changed" from "nobody is
// there".  Where there is no stream (a proxy that refuses it, too many listeners) the
// document is polled (/api/topology).  A page that nobody sees listens to nothing.
//
//     import { live } from "/static/live.js";
//     live.subscribe((document, change) => ...);   // at once, if something is known
//     live.onstatus((status) => ...);              // at once, and whenever it changes
//
// document: { role, seq, time, nodes: Map, links: Map, gateway, events, ... } with the
//     newest whole node (link) by its id; what the server sends besides is kept as it is.
// change: { snapshot, nodes: [ids], links: [ids], removed: { nodes, links }, events: [new] }
// status: { state, since, polling }, state one of
//     "connecting"    nothing is known yet
//     "live"          what is shown is so
//     "stale"         connected, but not a sign of life since `since`
//     "disconnected"  not connected; the document is what it was at `since`
//     "paused"        nobody looks

const QUIET = 22_000; // the server beats every 15 s
const DEAD = 45_000; // as good as gone: connect anew
const RETRY = 3_000; // unless the server says otherwise
const LONGEST_RETRY = 6_000;
const POLL = 2_000;
const POLLS_BEFORE_STREAM = 15; // how often to poll before a stream is tried again
const MOST_EVENTS = 100;

/** Reads text/event-stream, cut anywhere; `told` gets each event, `retry` milliseconds. */
export class EventReader {
  #rest = "";
  #name = "";
  #data = [];

  constructor(told, retry) {
    this.told = told;
    this.retry = retry;
  }

  feed(text) {
    const lines = (this.#rest + text).split("\n");
    this.#rest = lines.pop();
    for (const line of lines) this.#line(line.replace(/\r$/, ""));
  }

  #line(line) {
    if (line === "") {
      if (this.#data.length) this.told(this.#name || "message", this.#data.join("\n"));
      this.#name = "";
      this.#data = [];
      return;
    }
    const colon = line.indexOf(":");
    if (colon === 0) return;
    const field = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? "" : line.slice(colon + 1).replace(/^ /, "");
    if (field === "event") this.#name = value;
    else if (field === "data") this.#data.push(value);
    else if (field === "retry" && /^\d+$/.test(value)) this.retry(Number(value));
  }
}

/** An empty document, as it is before anything is known. */
export function nothing() {
  return { role: null, seq: -1, time: null, nodes: new Map(), links: new Map(), gateway: null, events: [] };
}

/** Takes a whole document, and says what has changed. */
export function replace(document, told) {
  const gone = (name) => {
    const now = new Set((told[name] ?? []).map((each) => each.id));
    return [...document[name].keys()].filter((id) => !now.has(id));
  };
  const removed = { nodes: gone("nodes"), links: gone("links") };
  const seen = document.events.at(-1)?.seq ?? -1;
  for (const name of Object.keys(document)) delete document[name];
  Object.assign(document, nothing(), told);
  for (const name of ["nodes", "links"]) {
    document[name] = new Map((told[name] ?? []).map((each) => [each.id, each]));
  }
  document.events = (told.events ?? []).slice(-MOST_EVENTS);
  return {
    snapshot: true,
    nodes: [...document.nodes.keys()],
    links: [...document.links.keys()],
    removed,
    events: document.events.filter((each) => !(each.seq <= seen)),
  };
}

/** Takes what has changed; `null` if that is old. */
export function update(document, told) {
  if (told.seq <= document.seq) return null;
  const { nodes = [], links = [], removed = {}, events = [], ...rest } = told;
  Object.assign(document, rest);
  for (const each of nodes) document.nodes.set(each.id, each);
  for (const each of links) document.links.set(each.id, each);
  const left = { nodes: removed.nodes ?? [], links: removed.links ?? [] };
  for (const id of left.nodes) document.nodes.delete(id);
  for (const id of left.links) document.links.delete(id);
  document.events = [...document.events, ...events].slice(-MOST_EVENTS);
  return {
    snapshot: false,
    nodes: nodes.map((each) => each.id),
    links: links.map((each) => each.id),
    removed: left,
    events,
  };
}

/** Begins to listen; see the head of this file for what it returns. */
export function connect({ events = "/api/events", topology = "/api/topology" } = {}) {
  const document = nothing();
  const subscribers = new Set();
  const watchers = new Set();
  let status = { state: "connecting", since: Date.now(), polling: false };
  let heard = Date.now(); // when there was a sign of life
  let retry = RETRY;
  let failures = 0;
  let tag = null;
  let going = null; // AbortController of all that is under way
  let timer = null;

  // One who fails must not keep the news from the others.
  const tell = (listeners, ...what) => {
    for (const each of listeners) {
      try {
        each(...what);
      } catch (error) {
        reportError(error);
      }
    }
  };

  const become = (state, since, polling = status.polling) => {
    if (state === status.state && polling === status.polling) return;
    status = { state, since, polling };
    tell(watchers, status);
  };

  const alive = (polling) => {
    heard = Date.now();
    failures = 0;
    become("live", heard, polling);
  };

  const take = (name, text) => {
    const told = JSON.parse(text);
    const change = name === "snapshot" ? replace(document, told) : name === "delta" ? update(document, told) : null;
    if (change) tell(subscribers, document, change);
  };

  const later = (call, milliseconds) => {
    clearTimeout(timer);
    timer = setTimeout(call, milliseconds);
  };

  const lost = () => {
    failures += 1;
    if (status.state !== "connecting" && status.state !== "disconnected") become("disconnected", heard);
    else if (status.state === "connecting" && failures > 1) become("disconnected", status.since);
    later(listen, Math.min(retry * 2 ** (failures - 1), LONGEST_RETRY));
  };

  async function listen() {
    const mine = begin();
    try {
      const answer = await fetch(events, { signal: mine.signal, cache: "no-store", headers: { accept: "text/event-stream" } });
      const kind = answer.headers.get("content-type") ?? "";
      if (!answer.ok || !kind.startsWith("text/event-stream")) {
        await answer.body?.cancel();
        later(() => poll(POLLS_BEFORE_STREAM), 0);
        return;
      }
      const reader = new EventReader(take, (milliseconds) => (retry = milliseconds));
      const decoder = new TextDecoder();
      const source = answer.body.getReader();
      for (;;) {
        const { done, value } = await source.read();
        if (mine.signal.aborted) return;
        if (done) break;
        alive(false);
        reader.feed(decoder.decode(value, { stream: true }));
      }
    } catch (error) {
      if (mine.signal.aborted && mine.signal.reason !== DEAD) return;
      if (!(error instanceof TypeError) && mine.signal.reason !== DEAD) reportError(error);
    }
    lost();
  }

  async function poll(left) {
    const mine = begin();
    try {
      const headers = tag ? { "if-none-match": tag } : {};
      const answer = await fetch(topology, { signal: mine.signal, cache: "no-store", headers });
      if (answer.status !== 304) {
        if (!answer.ok) throw new TypeError(`${topology}: ${answer.status}`);
        const text = await answer.text();
        tag = answer.headers.get("etag");
        take("snapshot", text);
      }
      alive(true);
      later(left > 1 ? () => poll(left - 1) : listen, POLL);
      return;
    } catch (error) {
      if (mine.signal.aborted && mine.signal.reason !== DEAD) return;
      if (!(error instanceof TypeError) && mine.signal.reason !== DEAD) reportError(error);
    }
    lost();
  }

  function begin() {
    going?.abort();
    going = new AbortController();
    return going;
  }

  function watch() {
    if (status.state !== "live" && status.state !== "stale") return;
    const quiet = Date.now() - heard;
    if (quiet > DEAD) going?.abort(DEAD);
    else if (quiet > QUIET) become("stale", heard);
  }

  function seen() {
    if (globalThis.document.hidden) {
      clearTimeout(timer);
      going?.abort();
      become("paused", heard);
    } else if (status.state === "paused") {
      failures = 0;
      become("connecting", heard);
      listen();
    }
  }

  globalThis.document.addEventListener("visibilitychange", seen);
  // A page that is left for another must not hold its connection until it is forgotten.
  addEventListener("pagehide", () => going?.abort());
  addEventListener("pageshow", (event) => event.persisted && !globalThis.document.hidden && listen());
  setInterval(watch, 1_000);
  if (globalThis.document.hidden) become("paused", heard);
  else listen();

  return {
    document,
    get status() {
      return status;
    },
    subscribe(listener) {
      subscribers.add(listener);
      if (document.seq >= 0) {
        tell([listener], document, {
          snapshot: true,
          nodes: [...document.nodes.keys()],
          links: [...document.links.keys()],
          removed: { nodes: [], links: [] },
          events: [],
        });
      }
      return () => subscribers.delete(listener);
    },
    onstatus(listener) {
      watchers.add(listener);
      tell([listener], status);
      return () => watchers.delete(listener);
    },
  };
}

export const live = connect();
