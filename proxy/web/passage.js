// Shows ranked passages: what each leg thought of them, and their text with
// the query's words marked. The chat and the search page share it.

import { h, outLink, safeURL } from "./dom.js";
import { marked, queryWords, spans } from "./words.js";

export const legs = [
  { name: "vector", label: "Meaning", none: "not among the meaning leg's hits" },
  { name: "bm25", label: "Keywords", none: "not among the keyword leg's hits" },
];

// ranks gives each passage's rank in a leg among the passages at hand, for
// servers that do not tell the leg's own.
function ranks(sources, leg) {
  const have = sources.filter((s) => typeof s.scores?.[leg] === "number").sort((a, b) => b.scores[leg] - a.scores[leg]);
  return new Map(have.map((s, i) => [s.id, i + 1]));
}

// passageList shows sources, best first. hits are the server's own account of
// a request by chunk id, or null; open is told of each card by its number.
export function passageList(sources, query, { hits = null, open = new Map() } = {}) {
  const words = queryWords(query);
  const scale = {}, place = {};
  for (const leg of legs) {
    const scores = sources.map((s) => s.scores?.[leg.name]).filter((x) => typeof x === "number");
    scale[leg.name] = Math.max(leg.name === "vector" ? 1 : 0, ...scores);
    place[leg.name] = ranks(sources, leg.name);
  }
  return h("ol", { class: "passages" }, sources.map((s, i) => card(s, i, { words, scale, place, hits, open })));
}

function card(s, i, all) {
  const n = s.n ?? s.rank ?? i + 1;
  const whole = s.text ?? "", found = spans(whole, all.words);
  const text = [
    h("div", { class: "passage-text snippet" }, snippet(whole, found)),
    h("div", { class: "passage-text whole" }, marked(whole, found, (t) => h("mark", {}, t)), s.truncated && "…"),
  ];
  const where = [place(s), s.truncated && "shortened here"].filter(Boolean).join(" · ");
  const more = h("div", { class: "passage-more" }, address(s), where && h("span", {}, where));
  const toggle = h("button", { type: "button", class: "passage-head", "aria-expanded": "false" },
    h("span", { class: "number" }, n),
    h("span", { class: "passage-title" }, s.title || s.url || s.id, part(s) !== undefined && h("span", { class: "passage-part" }, ` · chunk ${part(s)}`)),
    h("span", { class: "passage-score", title: "fused score" }, number(s.score)));
  const li = h("li", { class: "passage", data: { n } }, toggle, h("div", { class: "legs" }, legs.map((leg) => bar(s, leg, all))), text, more);
  const setOpen = (is) => { li.classList.toggle("open", is); toggle.setAttribute("aria-expanded", is); };
  toggle.addEventListener("click", () => setOpen(!li.classList.contains("open")));
  all.open.set(n, { li, toggle, setOpen });
  return li;
}

// snippet is what a closed card shows: from a little before the part that has
// most of the query's words.
function snippet(text, found) {
  const near = (i) => found.slice(i).filter(([at]) => at < found[i][0] + 140).length;
  let best = 0;
  for (let i = 1; i < found.length; i++) if (near(i) > near(best)) best = i;
  const at = Math.min(found[best]?.[0] ?? 0, Math.max(0, text.length - 160));
  const from = at < 50 ? 0 : Math.max(text.lastIndexOf("\n", at), text.lastIndexOf(". ", at) + 1, text.indexOf(" ", at - 40)) + 1;
  const part = text.slice(from, from + 400);
  const list = found.filter(([a, b]) => a >= from && b <= from + 400).map(([a, b]) => [a - from, b - from]);
  return [from > 0 && "… ", ...marked(part, list, (t) => h("mark", {}, t))];
}

function bar(s, leg, { scale, place, hits }) {
  const score = s.scores?.[leg.name];
  if (typeof score !== "number") return h("div", { class: `leg ${leg.name} none` }, h("span", { class: "leg-name" }, leg.label), h("span", { class: "leg-none" }, leg.none));
  const told = hits?.get(s.id)?.[leg.name]?.rank;
  const rank = told ?? place[leg.name].get(s.id);
  const filled = h("span", { class: "leg-fill" });
  filled.style.width = `${Math.max(score > 0 ? 2 : 0, Math.min(100, (100 * score) / (scale[leg.name] || 1)))}%`;
  return h("div", { class: `leg ${leg.name}` },
    h("span", { class: "leg-name" }, leg.label),
    h("span", { class: "leg-track", "aria-hidden": "true" }, filled),
    h("span", { class: "leg-score" }, number(score)),
    h("span", { class: "leg-rank", title: told ? "rank among all of this leg's hits" : "rank among these passages" }, `#${rank}`));
}

const part = (s) => s.position?.chunk ?? /#chunk-(\d+)$/.exec(s.id)?.[1];

function place(s) {
  const { start, end } = s.position ?? s;
  return end > start ? `characters ${start.toLocaleString("en")}–${end.toLocaleString("en")}` : "";
}

// address is a link where it can be one; the file's path otherwise.
export function address(s) {
  const href = safeURL(s.url, ["https:", "http:"]);
  if (href) return outLink(href, s.url);
  return s.url || s.id ? h("span", { class: "path" }, s.url || s.id) : null;
}

const number = (x) => (typeof x === "number" ? x.toFixed(x >= 100 ? 0 : x >= 10 ? 1 : 2) : "");
