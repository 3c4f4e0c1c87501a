// The official client of Node.
import OpenAI from "openai";
import { serve } from "./ask.mjs";

const connect = (ask) => new OpenAI({ baseURL: ask.base_url, apiKey: "client-key", maxRetries: 0 });

function request(ask) {
  const body = { model: ask.model, messages: ask.messages, rag: ask.rag };
  if (ask.user) body.user = ask.user;
  if (ask.usage && ask.mode !== "complete") body.stream_options = { include_usage: true };
  return body;
}

function take(chunk, result, place = "chunk") {
  result.look(place, chunk);
  result.usage = chunk.usage ?? result.usage;
  result.answer += chunk.choices[0]?.delta.content ?? "";
  result.look(`${place}.choices[0].delta`, chunk.choices[0]?.delta);
}

function takeWhole(completion, result, place) {
  const { message, finish_reason } = completion.choices[0];
  if (message.role !== "assistant" || finish_reason !== "stop") throw new Error(`${message.role} ${finish_reason}`);
  result.answer = message.content;
  result.usage = completion.usage ?? result.usage;
  result.look(place, completion);
  result.look(`${place}.choices[0].message`, message);
}

async function stream(ask, result) {
  for await (const chunk of await connect(ask).chat.completions.create({ stream: true, ...request(ask) })) take(chunk, result);
}

// helper is what `.stream()` gathers beside what it passes on.
async function helper(ask, result) {
  const runner = connect(ask).chat.completions.stream(request(ask));
  runner.on("chunk", (chunk) => take(chunk, result, 'on("chunk")'));
  const final = await runner.finalChatCompletion(), told = result.answer;
  takeWhole(final, result, "final");
  if (told !== result.answer) throw new Error(`chunks told ${told}`);
}

// runTools makes two rounds; the passages belong to the first.
async function runTools(ask, result) {
  let called;
  const tool = {
    type: "function",
    function: {
      name: "get_weather",
      parameters: { type: "object", properties: { city: { type: "string" } } },
      parse: JSON.parse,
      function: ({ city }) => `${(called = city)}: 12 degrees`,
    },
  };
  const runner = connect(ask).chat.completions.runTools({ stream: true, tools: [tool], ...request(ask) });
  runner.on("chunk", (chunk) => take(chunk, result, 'on("chunk")'));
  result.answer = await runner.finalContent();
  if (called !== "Zürich") throw new Error(`the tool was called with ${called}`);
}

async function complete(ask, result) {
  takeWhole(await connect(ask).chat.completions.create(request(ask)), result, "completion");
}

async function snippet({ base_url, messages }, result) {
  const client = connect({ base_url });
  let answer = "", sources;
  // snippet
  const stream = await client.chat.completions.create({ model: "gpt-4o", messages, stream: true });
  for await (const chunk of stream) {
    answer += chunk.choices[0]?.delta.content ?? "";
    if (chunk.rag?.type === "summary") sources = chunk.rag.sources;
  }
  // end
  result.answer = answer;
  result.see("snippet", sources);
}

serve("openai", { stream, helper, runTools, complete, snippet });
