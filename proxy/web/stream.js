// One question on its way: sends it, and turns what comes back into the
// turn's state. It knows every dialect's form of the extras and draws nothing.

import { Failure, events, fromError, getJSON, parse, request } from "./api.js";

export function newTurn(question, history, body, options) {
  return {
    question, body, options, history,
    answer: "", reasoning: "", sources: null, query: "", original: "", degraded: [], failures: [], flagged: [],
    rewrite: { state: "waiting", text: "", ms: null, model: "", error: null },
    search: { state: "waiting", ms: null, collection: "", topK: null },
    state: "running", // then done, stopped or failed
    failure: null, finish: "", requestId: "", explain: null, raw: [], rawBytes: 0,
    times: { start: performance.now() },
  };
}

// run asks and follows the answer. changed(part, at) is called with what has
// changed and when it came; the turn's state says how it ended.
export async function run(turn, signal, changed) {
  try {
    const response = await request("chat/completions", { method: "POST", json: turn.body, signal });
    turn.requestId = response.headers.get("X-RAG-Request-Id") ?? "";
    await follow(turn, response, changed);
    turn.state = "done";
  } catch (err) {
    turn.state = signal.aborted ? "stopped" : "failed";
    if (!signal.aborted) turn.failure = err instanceof Failure ? err : new Failure("page", String(err?.message ?? err));
    turn.requestId ||= turn.failure?.requestId ?? "";
  }
  turn.times.end = performance.now();
  settle(turn);
  changed("all");
  if (turn.state === "done") await explain(turn, changed);
}

async function follow(turn, response, changed) {
  if (!/text\/event-stream/.test(response.headers.get("Content-Type") ?? "")) {
    throw new Failure("page", "The server sent no stream.");
  }
  let ended = false;
  try {
    for await (const piece of events(response)) {
      for (const event of piece.events) {
        keepRaw(turn, event.raw, piece.at);
        if (event.data === undefined) continue;
        if (event.data.trim() === "[DONE]") ended = true;
        else read(turn, parse(event.data), piece.at, changed);
      }
      changed("raw", piece.at);
    }
  } catch (err) {
    if (err instanceof Failure) throw err;
    throw new Failure("cut", "The connection broke.");
  }
  if (!ended) throw new Failure("cut", "The stream ended without its end mark.");
}

const maxRaw = 4 << 20; // characters

function keepRaw(turn, raw, at) {
  turn.rawBytes += raw.length;
  if (turn.rawBytes <= maxRaw) turn.raw.push({ raw, ms: at - turn.times.start });
}

function read(turn, chunk, at, changed) {
  if (!chunk || typeof chunk !== "object") return;
  if (chunk.error) throw fromError(chunk.error, "stream", "The upstream reported an error.");
  if (chunk.rag) readRag(turn, chunk.rag, at, changed);
  if (chunk.event) readOpenWebUI(turn, chunk.event, at, changed);
  if (Array.isArray(chunk.search_results) && !turn.sources) {
    found(turn, chunk.search_results.map((r, i) => ({ n: i + 1, id: `${i}`, title: r.title, url: r.url, text: r.snippet })), at, changed);
  }
  const choice = Array.isArray(chunk.choices) ? chunk.choices.find((c) => (c.index ?? 0) === 0) : null;
  if (!choice) return;
  const delta = choice.delta ?? {};
  if (Array.isArray(delta.context?.citations) && !turn.sources) {
    turn.query = parse(delta.context.intent)?.[0] ?? "";
    found(turn, delta.context.citations.map((c, i) => ({ n: i + 1, id: c.chunk_id || `${i}`, title: c.title, url: c.url, text: c.content })), at, changed);
  }
  if (Array.isArray(delta.annotations) && !turn.sources) {
    const cited = delta.annotations.map((a) => a?.url_citation).filter(Boolean);
    found(turn, cited.map((c, i) => ({ n: i + 1, id: c.id || `${i}`, title: c.title, url: c.url, text: c.content, score: c.score })), at, changed);
  }
  if (typeof delta.reasoning_content === "string") turn.reasoning += delta.reasoning_content;
  if (typeof delta.content === "string" && delta.content) {
    turn.times.first ??= at;
    turn.answer += delta.content;
    changed("answer", at);
  }
  if (choice.finish_reason) turn.finish = choice.finish_reason;
}

function readRag(turn, e, at, changed) {
  switch (e.type) {
    case "rewrite.delta":
      turn.rewrite.state = "running";
      turn.rewrite.text += e.delta ?? "";
      return changed("rewrite", at);
    case "rewrite.done":
      Object.assign(turn.rewrite, { state: "done", text: e.query, ms: e.ms, model: e.model ?? "" });
      Object.assign(turn, { query: e.query, original: e.original });
      turn.times.rewritten = at;
      return changed("rewrite", at);
    case "rewrite.failed":
      Object.assign(turn.rewrite, { state: "failed", error: e.error, text: "" });
      turn.times.rewritten = at;
      return changed("rewrite", at);
    case "retrieval.started":
      if (turn.rewrite.state === "waiting") turn.rewrite.state = "skipped";
      turn.query = e.query;
      Object.assign(turn.search, { state: "running", topK: e.top_k, collection: e.collection });
      changed("rewrite", at);
      return changed("search", at);
    case "retrieval.failed":
      turn.failures.push(e);
      return changed("search", at);
    case "retrieval.done":
      turn.query = e.query;
      turn.degraded = e.degraded ?? [];
      turn.search.ms = e.ms;
      return found(turn, e.sources ?? [], at, changed);
    case "guard.flagged":
      flag(turn, e.links);
      return changed("answer", at);
    case "summary":
      Object.assign(turn, { query: e.query ?? turn.query, original: e.original ?? turn.original, degraded: e.degraded ?? turn.degraded });
      if (Array.isArray(e.flagged)) flag(turn, e.flagged);
      if (!turn.sources && Array.isArray(e.sources)) return found(turn, e.sources, at, changed);
      return changed("context", at);
  }
}

function flag(turn, links) {
  for (const link of links ?? []) if (link?.url && !turn.flagged.some((f) => f.url === link.url && f.kind === link.kind)) turn.flagged.push(link);
}

function readOpenWebUI(turn, event, at, changed) {
  const data = event.data ?? {};
  if (event.type === "status" && data.query) turn.query = data.query;
  if (event.type === "status" && data.queries?.[0]) turn.query = data.queries[0];
  if (event.type !== "source") return;
  const list = turn.sources ?? [];
  const n = list.length + 1;
  found(turn, [...list, { n, id: data.source?.id ?? `${n}`, title: data.source?.name, url: data.source?.url, text: data.document?.[0], score: data.distances?.[0] }], at, changed);
}

function found(turn, sources, at, changed) {
  turn.sources = sources;
  turn.search.state = "done";
  if (turn.rewrite.state === "waiting") turn.rewrite.state = "skipped";
  turn.times.found ??= at;
  changed("search", at);
  changed("passages", at);
  changed("context", at);
}

// settle ends the steps that never came.
function settle(turn) {
  for (const step of [turn.rewrite, turn.search]) {
    if (step.state === "waiting" || step.state === "running") step.state = "none";
  }
}

let forgets = false; // the server said that it keeps no accounts

// explain asks for the server's own account of the request.
async function explain(turn, changed) {
  if (forgets || !turn.options.explains || !turn.requestId || turn.options.dialect === "plain") return;
  try {
    turn.explain = await getJSON(`rag/requests/${encodeURIComponent(turn.requestId)}`);
  } catch (err) {
    if (err.status === 404) forgets = true;
    return;
  }
  changed("passages");
  changed("context");
  changed("timing");
}
