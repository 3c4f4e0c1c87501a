// What may be chosen for a question, kept from visit to visit.

import { h } from "./dom.js";

const name = "ragproxy.settings";

export function makeControls({ config, collections, models }) {
  const value = { collection: "", topK: "", rewrite: "", placement: "", dialect: "rag", model: "", ...load() };
  const listeners = [];
  const pick = (key, label, options, title) => {
    const el = h("select", { id: `set-${key}`, onchange: () => keep(key, el.value) }, options.map(([v, text]) => h("option", { value: v }, text)));
    el.value = value[key];
    if (el.value !== value[key]) el.value = value[key] = options[0][0];
    return h("label", { class: "pill", title }, h("span", {}, label), el);
  };
  const keep = (key, v) => {
    value[key] = v;
    try { localStorage.setItem(name, JSON.stringify(value)); } catch { /* storage may be off */ }
    for (const fn of listeners) fn();
  };
  const collection = collections.select("set-collection", value.collection);
  collection.addEventListener("change", () => keep("collection", collection.value));
  const model = modelSelect(value, keep, models);
  const numbers = [1, 2, 3, 4, 5, 6, 8, 10, 12, 16, 20].map((n) => [String(n), String(n)]);
  const elements = [
    h("label", { class: "pill", title: "Where to search" }, h("span", {}, "Collection"), collection),
    pick("topK", "Top", [["", String(config.top_k ?? "default")], ...numbers.filter(([n]) => n !== String(config.top_k))], "How many passages the answer may use"),
    pick("rewrite", "Rewrite", [["", "auto"], ["always", "always"], ["never", "never"]], "When a follow-up is made into a question of its own"),
    pick("placement", "Passages", [["", `in ${config.placement ?? "system"}`], ...["system", "user"].filter((p) => p !== config.placement).map((p) => [p, `in ${p}`])], "The message that carries the passages"),
    pick("dialect", "Dialect", ["rag", "openwebui", "annotations", "azure", "perplexity", "plain"].map((d) => [d, d]), "The form of the stream; only rag tells all steps"),
    model.label,
  ];
  return { elements, value, body: (messages) => body(value, messages), onChange: (fn) => listeners.push(fn), loadModels: model.load };
}

// body is the request that value stands for.
function body(value, messages) {
  const rag = { dialect: value.dialect };
  if (value.dialect === "rag") rag.events = "all";
  if (value.collection) rag.collection = value.collection;
  if (value.topK) rag.top_k = Number(value.topK);
  if (value.rewrite) rag.rewrite = value.rewrite;
  if (value.placement) rag.placement = value.placement;
  return { ...(value.model && { model: value.model }), messages, stream: true, rag };
}

// modelSelect offers what GET /v1/models lists. Upstreams with one model need
// no choice; of several the last choice, or the first that can chat.
function modelSelect(value, keep, models) {
  const el = h("select", { id: "set-model", onchange: () => keep("model", el.value) });
  const label = h("label", { class: "pill", hidden: true, title: "Who answers" }, h("span", {}, "Model"), el);
  const load = async () => {
    const ids = (await models().catch(() => [])).filter((id) => !/embed|whisper|tts|dall-e|moderation|realtime|transcri|image|rerank/i.test(id));
    label.hidden = ids.length < 2;
    el.replaceChildren(...ids.map((id) => h("option", { value: id }, id)));
    if (!ids.includes(value.model)) value.model = ids.includes("gpt-4o-mini") ? "gpt-4o-mini" : ids[0] ?? "";
    el.value = value.model;
  };
  return { label, load };
}

function load() {
  try {
    const kept = JSON.parse(localStorage.getItem(name)) ?? {};
    return Object.fromEntries(Object.entries(kept).filter(([, v]) => typeof v === "string"));
  } catch {
    return {};
  }
}
