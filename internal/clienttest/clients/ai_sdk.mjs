// Vercel's AI SDK with either provider: settings(ask) gives model, headers and
// providerOptions.
import { generateText, stepCountIs, streamText, tool } from "ai";
import { z } from "zod";
import { serve } from "./ask.mjs";

export function serveAI(name, settings, snippet) {
  const common = (ask) => ({ ...settings(ask), messages: ask.messages, maxRetries: 0 });

  async function collect(ask, result, extra) {
    const stream = streamText({ ...common(ask), includeRawChunks: true, onError: () => {}, ...extra });
    for await (const part of stream.fullStream) {
      if (part.type === "error") throw part.error;
      if (part.type !== "raw") continue;
      result.look("rawValue", part.rawValue);
      result.look("rawValue.choices[0].delta", part.rawValue.choices?.[0]?.delta);
    }
    result.answer = await stream.text;
    result.usage = await stream.usage;
    lookAtSteps(await stream.steps, result);
  }

  function lookAtSteps(steps, result) {
    const sources = steps.flatMap((step) => step.sources);
    if (sources.length) result.see("result.steps: sources", sources);
    const text = steps.map((step) => step.reasoningText ?? "").join("");
    if (text) result.see("result.steps: reasoning", text);
    for (const step of steps) for (const [key, value] of Object.entries(step.providerMetadata ?? {})) result.look(`providerMetadata.${key}`, value);
  }

  async function tools(ask, result) {
    let called;
    const get_weather = tool({ inputSchema: z.object({ city: z.string() }), execute: ({ city }) => `${(called = city)}: 12 degrees` });
    await collect(ask, result, { tools: { get_weather }, stopWhen: stepCountIs(3) });
    if (called !== "Zürich") throw new Error(`the tool was called with ${called}`);
  }

  async function whole(ask, result) {
    const done = await generateText(common(ask));
    result.answer = done.text;
    result.usage = done.usage;
    lookAtSteps(done.steps, result);
    result.look("response.body", done.response.body);
    result.look("response.body.choices[0].message", done.response.body.choices[0].message);
  }

  return serve(name, { streamText: collect, tools, generateText: whole, snippet });
}
