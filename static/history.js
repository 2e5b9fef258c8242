// The last five minutes, number by number: what the server remembers (/api/history), then
// what the live document says, at the same pace.  Where nothing was known there is a gap.

import { live } from "/static/live.js";

const INTERVAL = 2;
const LENGTH = 150;
const NAMES = [
  "requests_per_second", "tokens_per_second", "first_token_seconds", "waiting", "in_flight", "failures_per_second", "bytes_per_second",
  "connections", "sent_bytes_per_second", "recv_bytes_per_second",
];

export class History {
  #series = new Map(); // by "node name": values, oldest first
  #listeners = new Set();
  #timer = null;

  /** Asks the server anew, if that has a memory; one that remembers nothing is no fault. */
  async load(remembers = true) {
    if (remembers) await this.#ask();
    this.#tell();
    clearInterval(this.#timer);
    this.#timer = setInterval(() => this.#tick(), INTERVAL * 1000);
  }

  /** Called after each change. */
  subscribe(listener) {
    this.#listeners.add(listener);
  }

  /** The values of one number of `node` ("gateway" for all together), oldest first. */
  series(node, name) {
    return this.#series.get(`${node} ${name}`) ?? [];
  }

  async #ask() {
    try {
      const answer = await fetch("/api/history", { cache: "no-store" });
      if (answer.ok) this.#take(await answer.json());
    } catch (error) {
      if (!(error instanceof TypeError)) throw error;
    }
  }

  #take(told) {
    this.#series.clear();
    for (const [node, numbers] of Object.entries(told.series ?? {})) {
      for (const [name, values] of Object.entries(numbers)) this.#series.set(`${node} ${name}`, values.slice(-LENGTH));
    }
  }

  #tick() {
    const known = live.status.state === "live";
    for (const [node, numbers] of this.#now()) {
      for (const name of NAMES) if (name in numbers) this.#push(`${node} ${name}`, known ? numbers[name] : null);
    }
    this.#tell();
  }

  *#now() {
    if (live.document.gateway) yield ["gateway", live.document.gateway];
    for (const each of live.document.nodes.values()) {
      if (each.kind !== "gateway" && each.kind !== "model") yield [each.id, each];
    }
  }

  #push(key, value) {
    const values = this.#series.get(key) ?? [];
    values.push(value);
    if (values.length > LENGTH) values.shift();
    this.#series.set(key, values);
  }

  #tell() {
    for (const each of this.#listeners) each();
  }
}
