// The AI SDK with its provider for OpenAI-compatible APIs.
import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import { streamText } from "ai";
import { serveAI } from "./ai_sdk.mjs";

// snippet
const metadataExtractor = {
  extractMetadata: async ({ parsedBody }) => ({ ragproxy: { rag: parsedBody.rag } }),
  createStreamExtractor: () => {
    let rag;
    return { processChunk: (chunk) => (rag = chunk?.rag ?? rag), buildMetadata: () => ({ ragproxy: { rag } }) };
  },
};
// end

const connect = (ask) =>
  createOpenAICompatible({ name: "ragproxy", baseURL: ask.base_url, apiKey: "client-key", includeUsage: ask.usage, metadataExtractor });

const settings = (ask) => ({ model: connect(ask)(ask.model), providerOptions: { ragproxy: { user: ask.user, rag: ask.rag } } });

async function snippet(ask, result) {
  const ragproxy = connect(ask), messages = ask.messages;
  let answer = "";
  // snippet
  const stream = streamText({ model: ragproxy("gpt-4o"), messages });
  for await (const text of stream.textStream) answer += text;
  const sources = (await stream.providerMetadata).ragproxy.rag.sources;
  // end
  result.answer = answer;
  result.see("snippet", sources);
}

serveAI("@ai-sdk/openai-compatible", settings, snippet);
