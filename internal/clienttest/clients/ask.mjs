// What the Node scripts share: a request a line on stdin, as `ask` in
// client_test.go, and a result a line on stdout.
import { readFileSync } from "node:fs";
import { createInterface } from "node:readline";

const extras = ["rag", "event", "citations", "search_results", "annotations", "context", "reasoning_content"];

export class Result {
  answer = "";
  seen = [];
  usage = null;
  error = "";

  see(place, value) {
    this.seen.push({ place, value });
  }

  // look takes the members of ours that an object of the client has.
  look(place, holder) {
    for (const name of extras) if (hasValue(holder?.[name])) this.see(`${place}.${name}`, holder[name]);
  }
}

const hasValue = (v) => v != null && v !== "" && !(Array.isArray(v) && v.length === 0);

export async function serve(name, modes) {
  const file = new URL(`node_modules/${name}/package.json`, import.meta.url);
  console.log(JSON.stringify({ version: JSON.parse(readFileSync(file)).version }));
  for await (const line of createInterface({ input: process.stdin })) {
    const ask = JSON.parse(line), result = new Result();
    try {
      await modes[ask.mode](ask, result);
    } catch (error) {
      result.error = error.message ?? String(error);
    }
    console.log(JSON.stringify(result));
  }
}
