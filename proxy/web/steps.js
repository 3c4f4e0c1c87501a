// Shows what happened to a question, step by step, as it happens.

import { fill, h, icon, ms, plural, sentence } from "./dom.js";
import { passageList } from "./passage.js";
import { added, marked } from "./words.js";

export function makeSteps(turn, config) {
  const steps = {
    rewrite: step("Rewrite"), search: step("Search"), passages: step("Passages"), context: step("Context sent"), answer: step("Answer"),
  };
  const timing = h("div", { class: "timing" });
  const el = h("div", { class: "steps-view" }, h("ol", { class: "steps" }, Object.values(steps).map((s) => s.el)), timing);
  const open = new Map();
  let shown = null; // what the passages were drawn from
  const draw = {
    rewrite: () => drawRewrite(steps.rewrite, turn),
    search: () => drawSearch(steps.search, turn),
    passages: () => {
      if (shown && shown.sources === turn.sources && shown.explain === turn.explain) return;
      shown = { sources: turn.sources, explain: turn.explain };
      drawPassages(steps.passages, turn, open);
    },
    context: () => drawContext(steps.context, turn, config),
    answer: () => drawAnswer(steps.answer, turn),
    timing: () => drawTiming(timing, turn),
  };
  const update = (parts) => {
    for (const part of parts.has("all") ? Object.keys(draw) : parts) draw[part]?.();
  };
  update(new Set(["all"]));
  const openPassage = (n) => {
    const card = open.get(n);
    if (!card) return;
    card.setOpen(true);
    card.li.classList.remove("flash");
    void card.li.offsetWidth; // starts the animation anew
    card.li.classList.add("flash");
    card.li.scrollIntoView({ block: "center", behavior: matchMedia("(prefers-reduced-motion: reduce)").matches ? "auto" : "smooth" });
    card.toggle.focus({ preventScroll: true });
  };
  return { el, update, openPassage };
}

function step(title) {
  const note = h("span", { class: "step-note" });
  const body = h("div", { class: "step-body" });
  const el = h("li", { class: "step", data: { state: "waiting" } }, h("div", { class: "step-head" }, h("h3", {}, title), note), body);
  return { el, set(state, noteText, ...content) { el.dataset.state = state; fill(note, noteText); fill(body, ...content); } };
}

const words = (text) => h("p", { class: "step-words" }, text);

export function warning(...content) { return h("p", { class: "warning" }, icon("warn", 16), h("span", {}, content)); }

function drawRewrite(s, turn) {
  const r = turn.rewrite;
  switch (r.state) {
    case "waiting":
      return s.set("waiting", "");
    case "skipped":
      return s.set("skipped", "not needed", words(skippedBecause(turn)));
    case "running":
      return s.set("running", "", h("p", { class: "query writing" }, r.text));
    case "failed":
      return s.set("failed", "failed", warning(`${sentence(r.error?.message || "the rewrite failed")}. Your own words are searched instead.`));
    case "done": {
      const same = r.text === turn.original;
      return s.set("done", [ms(r.ms), r.model && ` · ${r.model}`],
        h("p", { class: "query" }, marked(r.text, same ? [] : added(r.text, turn.original), (t) => h("ins", {}, t))),
        h("p", { class: "step-words" }, same ? "Your words stand on their own." : ["from ", h("q", {}, turn.original)]));
    }
    default:
      return s.set("none", "", words(turn.state === "failed" || turn.state === "stopped" ? "It did not come to that." : "This dialect does not tell."));
  }
}

function skippedBecause(turn) {
  if (turn.options.rewrite === "never") return "Switched off: your words are searched as they are.";
  if (!turn.history) return "The first question stands on its own: it is searched as it is.";
  return "Your words are searched as they are.";
}

function drawSearch(s, turn) {
  const { state, ms: took, collection, topK } = turn.search;
  const details = [collection && ["collection ", h("b", {}, collection)], topK && ["best ", h("b", {}, topK)]].filter(Boolean);
  const body = [
    turn.query && turn.rewrite.state !== "done" && h("p", { class: "query" }, turn.query),
    details.length > 0 && h("p", { class: "step-words" }, details.flatMap((d, i) => (i ? [" · ", d] : [d]))),
    turn.failures.map((f) => warning(legFailed(f))),
  ];
  switch (state) {
    case "waiting": return s.set("waiting", "");
    case "running": return s.set("running", "", ...body);
    case "done": return s.set(turn.failures.length ? "failed" : "done", took === null ? "" : ms(took), ...body);
    default: return s.set("none", "", words(turn.state === "done" ? "This dialect does not tell." : "It did not come to that."));
  }
}

const legNames = { vector: "The search by meaning", bm25: "The search by keywords", rerank: "The re-ranker", rewrite: "The rewrite" };
const answersAlone = { vector: "The search by meaning answered alone.", bm25: "The search by keywords answered alone." };

function legFailed(f) {
  const rest = f.leg === "rerank" ? "The passages stay in their first order." : answersAlone[f.fallback] ?? "Nothing was found: the model answers without passages.";
  return `${legNames[f.leg] ?? f.leg} failed: ${sentence(f.error?.message || "no reason was given")}. ${rest}`;
}

// degradedWords sums up for the answer what did not work.
export function degradedWords(turn) {
  const names = { rewrite: "the rewrite", vector: "the search by meaning", bm25: "the search by keywords", rerank: "the re-ranking" };
  return turn.degraded.map((d) => names[d] ?? d);
}

function drawPassages(s, turn, open) {
  open.clear();
  if (!turn.sources) return s.set(turn.state === "running" ? "waiting" : "none", "");
  if (!turn.sources.length) return s.set("done", "none", words("Nothing was found. The question goes to the model as it is."));
  const hits = turn.explain?.hits ? new Map(turn.explain.hits.map((x) => [x.id, x])) : null;
  s.set("done", String(turn.sources.length), passageList(turn.sources, turn.query || turn.question, { hits, open }));
}

const whyCut = {
  top_k: "not in the top", min_score: "score too low", budget: "no room", duplicate: "same text again",
  unreadable: "unreadable", rerank: "re-ranked out",
};

function drawContext(s, turn, config) {
  const list = turn.sources;
  if (!list) return s.set(turn.state === "running" ? "waiting" : "none", "");
  if (!list.length) return s.set("done", "nothing");
  const characters = list.reduce((n, x) => n + [...(x.text ?? "")].length, 0);
  const told = turn.explain?.context;
  const where = (turn.options.placement ?? config.placement) === "user" ? "in front of your message" : "in the system message";
  const size = list.some((x) => x.truncated) ? "at least " : "";
  s.set("done", told?.tokens ? plural(told.tokens, "token") : "",
    h("p", { class: "step-words" }, `${plural(list.length, "passage")}, ${size}${plural(characters, "character")}, ${where}`),
    told?.tokens ? budget(told) : null,
    cutHits(turn.explain?.hits));
}

function budget({ tokens, max_tokens: max }) {
  if (!max) return h("p", { class: "step-words" }, "No budget is set.");
  const filled = h("span", { class: "leg-fill" });
  filled.style.width = `${Math.min(100, (100 * tokens) / max)}%`;
  return h("div", { class: "budget" }, h("span", { class: "leg-track", "aria-hidden": "true" }, filled), h("span", {}, `of ${max.toLocaleString("en")}`));
}

function cutHits(hits) {
  const cut = (hits ?? []).filter((x) => x.cut);
  if (!cut.length) return null;
  return h("details", { class: "cut" }, h("summary", {}, `${plural(cut.length, "more hit")}, not sent`),
    h("ul", {}, cut.slice(0, 12).map((x) => h("li", { title: x.id }, h("span", { class: "cut-name" }, x.title || x.id, chunkOf(x)), h("span", {}, whyCut[x.cut] ?? x.cut),
      h("span", { class: "cut-score" }, typeof x.score === "number" ? x.score.toFixed(2) : ""))), cut.length > 12 && h("li", {}, `and ${cut.length - 12} more`)));
}

function chunkOf({ id }) {
  const n = /#chunk-(\d+)$/.exec(id)?.[1];
  return n === undefined ? "" : ` · chunk ${n}`;
}

function drawAnswer(s, turn) {
  const first = turn.times.first && ms(turn.times.first - turn.times.start);
  if (turn.state === "running") return s.set(turn.answer ? "running" : "waiting", first ? `first words after ${first}` : "");
  if (turn.state === "failed") return s.set("failed", "failed", words(turn.failure.message));
  const used = [...new Set([...turn.answer.matchAll(/\[(\d{1,3}(?:\s*,\s*\d{1,3})*)\]/g)].flatMap((m) => m[1].split(",").map(Number)))]
    .filter((n) => turn.sources?.some((x) => x.n === n)).sort((a, b) => a - b);
  const cites = used.length ? `It cites ${used.map((n) => `[${n}]`).join(" ")}.` : turn.sources?.length ? "It cites none of the passages." : "";
  s.set(turn.state === "stopped" ? "failed" : "done", turn.state === "stopped" ? "stopped" : first && `first words after ${first}`,
    words([cites, turn.finish === "length" && "It was cut at the length limit.", turn.state === "stopped" && "You stopped it."].filter(Boolean).join(" ")),
    turn.flagged.length > 0 && warning(flaggedWords(turn)));
}

export function flaggedWords(turn) {
  return turn.flagged.map((f) => [
    f.kind === "image" ? "An image address " : "A link ", h("code", {}, f.url),
    f.sources?.length ? ` was dictated by passage ${f.sources.map((n) => `[${n}]`).join(", ")}` : " is from a passage, not from you",
    ". It is not shown as a link. ",
  ]);
}

// drawTiming shows where the time went, by the page's own clock, and what the
// server measured of its stages.
function drawTiming(el, turn) {
  const t = turn.times;
  if (!t.end) return fill(el);
  const parts = [];
  const from = (name, label, begin, end) => { if (begin !== undefined && end > begin) parts.push({ name, label, ms: end - begin }); };
  const searched = t.found ?? t.first ?? t.end;
  if (t.rewritten) from("rewrite", "rewrite", t.start, t.rewritten);
  if (t.found) from("search", "search", t.rewritten ?? t.start, t.found);
  from("wait", "model", searched, t.first ?? t.end);
  if (t.first) from("answer", "answer", t.first, t.end);
  const total = t.end - t.start;
  const bar = h("div", { class: "time-bar", "aria-hidden": "true" }, parts.map((p) => {
    const seg = h("span", { class: `time-${p.name}` });
    seg.style.flexGrow = String(Math.max(p.ms / total, .01));
    return seg;
  }));
  const legend = h("ul", { class: "time-legend" }, parts.map((p) => h("li", { class: `time-${p.name}` }, `${p.label} ${ms(p.ms)}`)), h("li", { class: "total" }, `in all ${ms(total)}`));
  const stages = turn.explain?.stages;
  fill(el, bar, legend,
    stages?.length ? h("p", { class: "fine" }, "server: ", stages.map((s) => `${s.name.replaceAll("_", " ")} ${ms(s.ms)}${s.error ? " (failed)" : ""}`).join(" · ")) : null,
    turn.paint ? h("p", { class: "fine", title: "from the read of a delta to the first task after the frame that shows it" },
      `received to painted: ${turn.paint.p50.toFixed(0)} ms in the middle, ${turn.paint.p95.toFixed(0)} ms at 95 %`) : null);
}
