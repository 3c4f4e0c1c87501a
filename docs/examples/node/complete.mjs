// Not streamed: the sources are in the answer's `rag`.
import OpenAI from "openai";

const client = new OpenAI({ baseURL: "http://127.0.0.1:8080/v1", apiKey: "your upstream's key" });
const completion = await client.chat.completions.create({
  model: "gpt-4o-mini",
  messages: [{ role: "user", content: "How do I retry?" }],
});
console.log(completion.choices[0].message.content);
for (const source of completion.rag.sources) console.log(`[${source.n}] ${source.title} ${source.link}`);
