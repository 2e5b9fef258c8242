// What npm's clients of Ollama and OpenAI get to hear: `node conversations.cjs MODULES URL NODE`
// is to them what conversations.py is to the Python clients.  MODULES is where npm has put them.
"use strict";

const { createRequire } = require("node:module");
const [modules, url, node] = process.argv.slice(2);
const load = createRequire(`${modules}/`);
const { Ollama } = load("ollama");
const OpenAI = load("openai").default;

const model = "llama3:8b";
const nobody = "nobody-has:1b";
const png = "iVBORw0KGgo=";
const messages = [{ role: "user", content: "hello" }];
const weather = {
  type: "function",
  function: {
    name: "weather",
    description: "of a city",
    parameters: { type: "object", properties: { city: { type: "string" } } },
  },
};

const fault = (text) => ({ headers: { "X-Simulator-Fault": text } });
const ollama = (more) => new Ollama({ host: url, ...more });
const openai = new OpenAI({ baseURL: `${url}/v1`, apiKey: "none", maxRetries: 0 });
const complete = (more, options) =>
  openai.chat.completions.create({ model, messages, ...more }, options);

async function cancelled() {
  return (await (await fetch(`${node}/simulator/state`)).json()).cancelled;
}

async function noticed(before) {
  for (let left = 1000; left; left--) {
    if ((await cancelled()) > before) return true;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  return false;
}

async function raised(act) {
  try {
    await act();
  } catch (error) {
    const ours = error instanceof OpenAI.APIError ? "APIError " : "";
    const status = error.status ?? error.status_code ?? null;
    return [ours + error.constructor.name, status, error.message];
  }
  return null;
}

async function all(stream) {
  const found = [];
  for await (const each of stream) found.push(each);
  return found;
}

const conversations = {
  async ollama_chat() {
    const said = await ollama().chat({ model, messages });
    return [said.message.content, said.done_reason, said.eval_count];
  },
  async ollama_stream() {
    const said = await all(await ollama().chat({ model, messages, stream: true }));
    return [said.map((each) => each.message.content), said.at(-1).eval_count];
  },
  async ollama_generate() {
    return (await ollama().generate({ model, prompt: "once", images: [png] })).response;
  },
  async ollama_abort() {
    const before = await cancelled();
    const client = ollama(fault("stall-at-token=2"));
    const stream = await client.chat({ model, messages, stream: true });
    const seen = [];
    const ending = await raised(async () => {
      for await (const each of stream) {
        seen.push(each.message.content);
        stream.abort();
      }
    });
    return [seen.length > 0, ending[0], await noticed(before)];
  },
  ollama_unknown: () => raised(() => ollama().chat({ model: nobody, messages })),
  ollama_unknown_stream: () =>
    raised(() => ollama().chat({ model: nobody, messages, stream: true })),
  ollama_cut: () =>
    raised(async () =>
      all(await ollama(fault("cut-at-token=3")).chat({ model, messages, stream: true })),
    ),
  async ollama_tools() {
    return (await ollama().chat({ model, messages, tools: [weather] })).message.content;
  },
  async ollama_image() {
    const said = [{ role: "user", content: "hello", images: [png] }];
    return (await ollama().chat({ model, messages: said })).message.content;
  },
  async ollama_embed() {
    const said = await ollama().embed({ model, input: ["a", "b"], dimensions: 4 });
    return said.embeddings;
  },
  async ollama_models() {
    const listed = (await ollama().list()).models.map((each) => each.name);
    const shown = (await ollama().show({ model })).details.parameter_size;
    return [listed, shown];
  },
  async openai_chat() {
    const said = await complete();
    return [said.choices[0].message.content, said.usage.total_tokens];
  },
  async openai_stream() {
    const said = await all(
      await complete({ stream: true, stream_options: { include_usage: true } }),
    );
    const texts = said.map((each) => each.choices[0]?.delta?.content).filter(Boolean);
    return [texts, said.at(-1).usage.completion_tokens];
  },
  async openai_abort() {
    const before = await cancelled();
    const stream = await complete({ stream: true }, fault("stall-at-token=2"));
    let seen = 0;
    for await (const _ of stream) {
      seen += 1;
      stream.controller.abort();
    }
    return [seen > 0, await noticed(before)];
  },
  openai_unknown: () => raised(() => complete({ model: nobody })),
  openai_unknown_stream: () => raised(() => complete({ model: nobody, stream: true })),
  openai_cut: () =>
    raised(async () => all(await complete({ stream: true }, fault("cut-at-token=3")))),
  openai_responses_cut: () =>
    raised(async () =>
      all(
        await openai.responses.create(
          { model, input: "hello", stream: true },
          fault("cut-at-token=3"),
        ),
      ),
    ),
  async openai_tools() {
    return (await complete({ tools: [weather] })).choices[0].message.content;
  },
  async openai_image() {
    const picture = { type: "image_url", image_url: { url: `data:image/png;base64,${png}` } };
    const content = [{ type: "text", text: "hello" }, picture];
    return (await complete({ messages: [{ role: "user", content }] })).choices[0].message.content;
  },
  async openai_embeddings() {
    const said = await openai.embeddings.create({ model, input: ["a", "b"], dimensions: 4 });
    return said.data.map((each) => each.embedding.map((number) => number.toFixed(6)));
  },
  async openai_responses() {
    const said = await openai.responses.create({ model, input: "hello" });
    const events = await all(
      await openai.responses.create({ model, input: "hello", stream: true }),
    );
    return [said.output_text, events.map((each) => each.type)];
  },
};

(async () => {
  const found = {};
  for (const [name, hold] of Object.entries(conversations)) {
    try {
      found[name] = await hold();
    } catch (error) {
      found[name] = { unforeseen: String(error.stack) };
    }
  }
  process.stdout.write(JSON.stringify(found) + "\n", () => process.exit());
})();
