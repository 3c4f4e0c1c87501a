// Writes the same request as code, for curl, Python, Node and Go. The key is
// never part of it: each reads RAGPROXY_API_KEY.

import { baseURL } from "./api.js";
import { copyButton, fill, h } from "./dom.js";

const languages = [["curl", curl], ["Python", python], ["Node", node], ["Go", golang]];

// codeView shows the request of a turn in one language at a time.
export function codeView(request, remember) {
  const pre = h("pre", { class: "code", tabindex: "0", "aria-label": "the code" });
  const bar = h("div", { class: "segments", role: "group", "aria-label": "Language" });
  const show = (name) => {
    remember.language = name;
    for (const b of bar.children) b.setAttribute("aria-pressed", b.textContent === name);
    pre.textContent = writeCode(name, request);
    pre.dataset.language = name;
  };
  fill(bar, languages.map(([name]) => h("button", { type: "button", onclick: () => show(name) }, name)));
  show(remember.language ?? "curl");
  return h("div", { class: "code-view" }, h("div", { class: "bar" }, bar, copyButton("Copy", () => pre.textContent)), pre,
    h("p", { class: "fine" }, "RAGPROXY_API_KEY is a key of this server, or the model provider's where the server has none."));
}

export function writeCode(language, request) {
  return languages.find(([name]) => name === language)[1](request);
}

// A string of JSON is a string of JavaScript, Python and Go, too, but for two
// separators and half surrogates.
const quote = (text) => JSON.stringify(String(text).toWellFormed?.() ?? text).replaceAll("\u2028", "\\u2028").replaceAll("\u2029", "\\u2029");

function literal(value, { open = "{", list = ["[", "]"], null: nothing = "null", yes = "true", no = "false", indent = "    ", key = quote } = {}, depth = 0) {
  const dialect = { open, list, null: nothing, yes, no, indent, key };
  if (value === null || value === undefined) return nothing;
  if (value === true) return yes;
  if (value === false) return no;
  if (typeof value === "number") return String(value);
  if (typeof value === "string") return quote(value);
  const pad = indent.repeat(depth + 1), end = indent.repeat(depth);
  const [from, to, items] = Array.isArray(value)
    ? [list[0], list[1], value.map((v) => literal(v, dialect, depth + 1))]
    : [open, "}", Object.entries(value).map(([k, v]) => `${key(k)}: ${literal(v, dialect, depth + 1)}`)];
  if (!items.length) return from + to;
  const line = `${from}${items.join(", ")}${to}`;
  return line.length <= 70 && !line.includes("\n") ? line : `${from}\n${items.map((i) => `${pad}${i},`).join("\n")}\n${end}${to}`;
}

function curl(request) {
  const body = JSON.stringify(request, null, 2).replaceAll("'", "'\\''");
  return `curl -N ${baseURL}/chat/completions \\
  -H "Authorization: Bearer $RAGPROXY_API_KEY" \\
  -H 'Content-Type: application/json' \\
  -d '${body}'
`;
}

function python({ model, messages, rag }) {
  const at = { null: "None", yes: "True", no: "False" };
  return `# pip install openai
import os

from openai import OpenAI

client = OpenAI(base_url=${quote(baseURL)}, api_key=os.environ.get("RAGPROXY_API_KEY", "none"))
stream = client.chat.completions.create(
    model=${quote(model ?? "")},
    messages=${literal(messages, at, 1)},
    stream=True,
    extra_body={"rag": ${literal(rag, at, 1)}},
)
for chunk in stream:
    if chunk.choices and chunk.choices[0].delta.content:
        print(chunk.choices[0].delta.content, end="", flush=True)
    rag = getattr(chunk, "rag", None)
    if rag and rag["type"] == "summary":
        print("\\n" + "\\n".join(f"[{s['n']}] {s['title']}  {s['link']}" for s in rag["sources"]))
`;
}

const bare = (name) => (/^[a-z_]\w*$/i.test(name) ? name : quote(name));

function node({ model, messages, rag }) {
  const at = { indent: "  ", key: bare };
  return `// npm install openai
import OpenAI from "openai";

const client = new OpenAI({ baseURL: ${quote(baseURL)}, apiKey: process.env.RAGPROXY_API_KEY ?? "none" });
const stream = await client.chat.completions.create({
  model: ${quote(model ?? "")},
  messages: ${literal(messages, at, 1)},
  stream: true,
  rag: ${literal(rag, at, 1)},
});
for await (const chunk of stream) {
  process.stdout.write(chunk.choices[0]?.delta?.content ?? "");
  if (chunk.rag?.type === "summary") console.log("\\n" + chunk.rag.sources.map((s) => \`[\${s.n}] \${s.title}  \${s.link}\`).join("\\n"));
}
`;
}

function golang({ model, messages, rag }) {
  const kinds = { user: "UserMessage", assistant: "AssistantMessage", system: "SystemMessage" };
  const at = { open: "map[string]any{", list: ["[]any{", "}"], null: "nil", indent: "\t" };
  return `// go get github.com/openai/openai-go/v3
package main

import (
	"context"
	"fmt"
	"log"
	"os"

	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"
)

func main() {
	client := openai.NewClient(option.WithBaseURL(${quote(baseURL)}), option.WithAPIKey(os.Getenv("RAGPROXY_API_KEY")))
	stream := client.Chat.Completions.NewStreaming(context.Background(), openai.ChatCompletionNewParams{
		Model: ${quote(model ?? "")},
		Messages: []openai.ChatCompletionMessageParamUnion{
${messages.map((m) => `\t\t\topenai.${kinds[m.role]}(${quote(m.content)}),`).join("\n")}
		},
	}, option.WithJSONSet("rag", ${literal(rag, at, 1)}))
	for stream.Next() {
		chunk := stream.Current()
		if len(chunk.Choices) > 0 {
			fmt.Print(chunk.Choices[0].Delta.Content)
		}
		if rag, ok := chunk.JSON.ExtraFields["rag"]; ok {
			fmt.Println("\\n" + rag.Raw())
		}
	}
	if err := stream.Err(); err != nil {
		log.Fatal(err)
	}
}
`;
}
