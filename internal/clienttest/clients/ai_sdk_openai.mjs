// The AI SDK with its OpenAI provider, chat API. It drops members of the body
// that it does not know, so settings go as headers or in an alias.
import { createOpenAI } from "@ai-sdk/openai";
import { streamText } from "ai";
import { serveAI } from "./ai_sdk.mjs";

const connect = (ask) => createOpenAI({ baseURL: ask.base_url, apiKey: "client-key", headers: ask.headers });

const settings = (ask) => ({ model: connect(ask).chat(ask.alias), providerOptions: { openai: { user: ask.user } } });

async function snippet(ask, result) {
  const openai = connect(ask), messages = ask.messages;
  let answer = "";
  // snippet
  const stream = streamText({ model: openai.chat("gpt-4o"), messages });
  for await (const text of stream.textStream) answer += text;
  const sources = await stream.sources; // { sourceType: "url", url, title }
  // end
  result.answer = answer;
  result.see("snippet", sources);
}

serveAI("@ai-sdk/openai", settings, snippet);
