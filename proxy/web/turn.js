// One question and its answer in the conversation.

import { inWords } from "./api.js";
import { copyButton, fill, h, icon, ms, plural, sameLink } from "./dom.js";
import { renderMarkdown } from "./markdown.js";
import { degradedWords, flaggedWords, makeSteps, warning } from "./steps.js";

// makeTurn draws a turn. on has select() (show its steps), passage(n), retry()
// and key(), which asks for a key.
export function makeTurn(turn, config, on) {
  const trace = h("button", { type: "button", class: "trace", title: "Show the steps", onclick: () => on.select(true) });
  const answer = h("div", { class: "answer", "aria-busy": "true" });
  const notices = h("div", { class: "notices" });
  const cited = h("div", { class: "cited" });
  const actions = h("div", { class: "turn-actions" });
  const el = h("article", { class: "turn" }, h("h2", { class: "question" }, turn.question), h("div", { class: "reply" }, trace, answer, notices, cited, actions));
  const steps = makeSteps(turn, config);
  const update = (parts) => {
    const all = parts.has("all");
    steps.update(parts);
    if (all || parts.has("rewrite") || parts.has("search")) drawTrace(trace, turn);
    if (all || parts.has("answer") || parts.has("passages")) drawAnswer(answer, turn, on);
    if (all) {
      el.dataset.state = turn.state;
      answer.setAttribute("aria-busy", turn.state === "running");
      drawNotices(notices, turn, on);
      drawCited(cited, turn, on);
      drawActions(actions, turn, on);
    }
  };
  update(new Set(["all"]));
  return { el, steps, update };
}

function drawTrace(el, turn) {
  const parts = [];
  if (turn.rewrite.state === "running") parts.push("Rewriting", h("q", {}, turn.rewrite.text));
  else if (turn.search.state === "running") parts.push("Searching", h("q", {}, turn.query));
  else if (turn.sources) {
    parts.push(turn.rewrite.state === "done" && turn.query !== turn.question ? ["Searched ", h("q", {}, turn.query)] : "Searched as asked");
    parts.push(h("span", { class: "trace-note" }, ` · ${turn.sources.length ? plural(turn.sources.length, "passage") : "nothing found"}${turn.search.ms === null ? "" : ` · ${ms(turn.search.ms)}`}`));
  } else if (turn.state === "running") parts.push("Asking");
  else parts.push("No search was reported");
  el.classList.toggle("busy", turn.state === "running" && !turn.sources);
  fill(el, icon("steps", 16), h("span", { class: "trace-text" }, ...parts.flatMap((p) => [p, " "])), icon("down", 14));
}

function drawAnswer(el, turn, on) {
  el.classList.toggle("writing", turn.state === "running" && turn.answer !== "");
  el.classList.toggle("thinking", turn.state === "running" && turn.answer === "");
  renderMarkdown(el, turn.answer, {
    version: `${turn.sources?.length ?? 0}/${turn.flagged.length}`,
    flagged: new Set(turn.flagged.map((f) => sameLink(f.url))),
    mark: (n) => {
      const source = turn.sources?.find((s) => s.n === n);
      return source ? markButton(source, on) : null;
    },
  });
}

function markButton(source, on) {
  return h("button", { type: "button", class: "mark", "aria-label": `Source ${source.n}: ${source.title || source.id}`, title: source.title || source.id, onclick: () => on.passage(source.n) }, source.n);
}

function drawNotices(el, turn, on) {
  const out = [];
  const failed = degradedWords(turn);
  if (failed.length) out.push(warning(`Answered all the same, but ${failed.join(" and ")} did not work: the steps say why.`));
  if (turn.flagged.length) out.push(warning(flaggedWords(turn)));
  if (turn.state === "stopped") out.push(h("p", { class: "note" }, turn.answer ? "You stopped the answer here." : "You stopped it before the answer began."));
  if (turn.finish === "length") out.push(h("p", { class: "note" }, "The answer was cut at the model's length limit."));
  if (turn.failure) out.push(failureBox(turn.failure, on));
  fill(el, ...out);
}

// failureBox says what went wrong and what to do, with a count-down where the
// server said when to come back.
export function failureBox(failure, on) {
  const { title, hint, wantsKey } = inWords(failure);
  const retry = on.retry && h("button", { type: "button", class: "button small", onclick: on.retry }, icon("retry", 16), h("span", {}, "Try again"));
  const wait = h("p", { class: "failure-hint" });
  const box = h("div", { class: "failure", role: "alert" },
    h("p", { class: "failure-title" }, icon("warn", 18), h("span", {}, title)),
    h("p", {}, failure.message),
    hint && h("p", { class: "failure-hint" }, hint), wait,
    h("div", { class: "failure-actions" }, wantsKey && h("button", { type: "button", class: "button small primary", onclick: on.key }, icon("key", 16), h("span", {}, "Enter a key")), retry),
    failure.requestId && h("p", { class: "fine" }, `${failure.code ? `${failure.code} · ` : ""}${failure.requestId}`));
  if (failure.retryAfter && retry) countDown(wait, retry, failure.retryAfter);
  return box;
}

function countDown(el, retry, seconds) {
  const until = Date.now() + 1000 * seconds;
  retry.disabled = true;
  const tick = () => {
    const left = Math.ceil((until - Date.now()) / 1000);
    fill(el, left > 0 ? `The server asks to wait: ${plural(left, "second")} to go.` : "");
    retry.disabled = left > 0;
    if (left > 0) setTimeout(tick, 500);
  };
  tick();
}

function drawCited(el, turn, on) {
  const used = new Set([...turn.answer.matchAll(/\[(\d{1,3}(?:\s*,\s*\d{1,3})*)\]/g)].flatMap((m) => m[1].split(",").map(Number)));
  const list = (turn.sources ?? []).filter((s) => used.has(s.n));
  fill(el, list.map((s) => h("button", { type: "button", class: "chip", onclick: () => on.passage(s.n) },
    h("span", { class: "number" }, s.n), h("span", { class: "chip-title" }, s.title || s.url || s.id))));
}

function drawActions(el, turn, on) {
  if (turn.state === "running") return fill(el);
  fill(el, turn.answer && copyButton("Copy", () => turn.answer),
    !turn.failure && h("button", { type: "button", class: "quiet", onclick: on.retry }, icon("retry", 16), h("span", {}, "Ask again")),
    h("button", { type: "button", class: "quiet", onclick: () => on.select(true, "code") }, icon("code", 16), h("span", {}, "Code")));
}
