// The search page: the hits, without any model.

import { request } from "./api.js";
import { fill, h, icon, ms, plural, say } from "./dom.js";
import { passageList } from "./passage.js";
import { failureBox } from "./turn.js";

export function searchPage({ state, collections, askForKey }) {
  const query = h("input", { type: "search", id: "search-query", placeholder: "Search what is indexed", autocomplete: "off", enterkeyhint: "search", "aria-label": "Query" });
  const pick = collections.select("search-collection");
  const count = h("input", { type: "number", id: "search-k", min: "1", max: "100", value: state.searchK ?? 8, inputmode: "numeric" });
  const results = h("section", { class: "results", "aria-label": "Results" });
  let running = new AbortController();
  const go = async (event) => {
    event?.preventDefault();
    const text = query.value.trim();
    if (!text) return query.focus();
    running.abort();
    running = new AbortController();
    const { signal } = running, begin = performance.now();
    results.setAttribute("aria-busy", "true");
    try {
      const response = await request("rag/search", { method: "POST", json: { query: text, top_k: Number(count.value) || 8, ...(pick.value && { collection: pick.value }) }, signal });
      const { data, degraded } = await response.json();
      const took = performance.now() - begin;
      show(results, text, data, degraded, took);
      say(data.length ? `${plural(data.length, "hit")}.` : "Nothing was found.");
    } catch (err) {
      if (!signal.aborted) fill(results, failureBox(err, { retry: go, key: askForKey }));
    }
    if (!signal.aborted) results.removeAttribute("aria-busy");
  };
  count.addEventListener("change", () => { state.searchK = Number(count.value) || 8; });
  const form = h("form", { class: "search-form", role: "search", onsubmit: go },
    h("div", { class: "search-box" }, icon("search", 20), query, h("button", { class: "button primary", type: "submit" }, "Search")),
    h("div", { class: "pills" }, h("label", { class: "pill" }, h("span", {}, "Collection"), pick), h("label", { class: "pill" }, h("span", {}, "Hits"), count)));
  fill(results, h("p", { class: "empty-words" }, "Both legs answer: by meaning and by keywords. No language model is asked."));
  return { el: h("div", { class: "page narrow" }, h("h1", {}, "Search"), form, results), focus: () => query.focus() };
}

function show(el, query, hits, degraded, took) {
  const names = { vector: "by meaning", bm25: "by keywords", rerank: "with the re-ranker" };
  fill(el,
    h("p", { class: "result-count" }, hits.length ? `${plural(hits.length, "hit")} in ${ms(took)}` : "Nothing was found."),
    degraded?.length ? h("p", { class: "warning" }, icon("warn", 16), h("span", {}, `The search ${degraded.map((d) => names[d] ?? d).join(" and ")} failed; these are the other's hits.`)) : null,
    passageList(hits, query));
}
