// Talks to the server: the same public API that every client uses.

const base = new URL("v1/", document.baseURI);
const keyName = "ragproxy.key";

export const baseURL = base.href.replace(/\/$/, "");

// The key lives as long as the tab and never gets into an address.
export const key = {
  get() { try { return sessionStorage.getItem(keyName) ?? ""; } catch { return ""; } },
  set(value) {
    try {
      if (value) sessionStorage.setItem(keyName, value);
      else sessionStorage.removeItem(keyName);
    } catch { /* storage may be off: the key is asked for again */ }
    document.dispatchEvent(new CustomEvent("keychange"));
  },
};

// Failure is an answer that is no answer. kind says what broke: "http" (the
// server said so), "network", "cut" (the stream ended too early) or "stream"
// (an error event).
export class Failure extends Error {
  constructor(kind, message, more = {}) {
    super(message);
    Object.assign(this, { kind, status: 0, code: "", type: "", retryAfter: 0 }, more);
  }
}

export async function request(path, { method = "GET", body, json, headers = {}, signal } = {}) {
  const all = { ...headers };
  if (json !== undefined) all["Content-Type"] = "application/json";
  if (key.get()) all.Authorization = `Bearer ${key.get()}`;
  let response;
  try {
    response = await fetch(new URL(path, base), { method, headers: all, body: json === undefined ? body : JSON.stringify(json), signal, cache: "no-store" });
  } catch (err) {
    if (signal?.aborted) throw err;
    throw new Failure("network", "The server cannot be reached.");
  }
  if (!response.ok) throw await httpFailure(response);
  return response;
}

export const getJSON = async (path, options) => (await request(path, options)).json();

async function httpFailure(response) {
  const text = await response.text().catch(() => "");
  const more = { status: response.status, retryAfter: retryAfter(response.headers.get("Retry-After")), requestId: response.headers.get("X-RAG-Request-Id") ?? "" };
  return fromError(parse(text)?.error, "http", `The server answered ${response.status}.`, more);
}

export function fromError(error, kind, fallback, more = {}) {
  if (typeof error === "string") return new Failure(kind, error || fallback, more);
  return new Failure(kind, String(error?.message || fallback), { ...more, code: String(error?.code ?? ""), type: String(error?.type ?? "") });
}

function retryAfter(value) {
  if (!value) return 0;
  const seconds = /^\d+$/.test(value) ? Number(value) : Math.ceil((Date.parse(value) - Date.now()) / 1000);
  return seconds > 0 ? seconds : 0;
}

export function parse(text) {
  try { return JSON.parse(text); } catch { return undefined; }
}

// events reads a stream of server-sent events. It yields, for each piece that
// the network brings, when it came and the events that it completed: {raw,
// data}, data undefined for a comment.
export async function* events(response) {
  const reader = response.body.getReader();
  const decoder = new TextDecoder();
  let rest = "";
  try {
    for (;;) {
      const { done, value } = await reader.read();
      const at = performance.now();
      rest += done ? decoder.decode() : decoder.decode(value, { stream: true });
      const blocks = rest.split(/\r?\n\r?\n/);
      rest = blocks.pop();
      if (done && rest.trim()) blocks.push(rest);
      yield { at, events: blocks.map(readEvent) };
      if (done) return;
    }
  } finally {
    reader.cancel().catch(() => {}); // where the caller stops early
  }
}

function readEvent(raw) {
  const lines = raw.split(/\r?\n/).filter((l) => l.startsWith("data:")).map((l) => l.slice(l[5] === " " ? 6 : 5));
  return { raw, data: lines.length ? lines.join("\n") : undefined };
}

// inWords says what a failure means and what to do about it.
export function inWords(failure) {
  const { status, code } = failure;
  if (failure.kind === "network") return { title: "The server cannot be reached", hint: "Is ragproxy still running? Try again when it is." };
  if (failure.kind === "cut") return { title: "The connection ended before the answer did", hint: "What came until then is kept." };
  if (status === 401) return { title: key.get() ? "The key was not accepted" : "A key is needed", hint: "Enter a key of this server, or the model provider's where the server has none of its own.", wantsKey: true };
  if (code === "collection_forbidden" || code === "write_forbidden" || status === 403) return { title: "This key is not allowed to do that", hint: "Choose another collection, or use a key with more rights.", wantsKey: true };
  if (code === "collection_not_found") return { title: "There is no such collection", hint: "Index something into it first." };
  if (status === 429 || code === "rate_limit_exceeded") return { title: "Too many requests", hint: failure.retryAfter ? "" : "Wait a little, then try again." };
  if (status === 413) return { title: "That is too large", hint: "Send less at once." };
  if (code === "upstream_unreachable") return { title: "The language model's server cannot be reached", hint: "Check upstream.base_url and that it is running." };
  if (code === "upstream_timeout") return { title: "The language model did not answer in time", hint: "Try again." };
  if (code === "upstream_closed") return { title: "The language model broke its answer off", hint: "What came until then is kept." };
  if (code === "not_ready") return { title: "The server is stopping", hint: "Try again in a moment." };
  if (failure.kind === "stream") return { title: "The language model reported an error", hint: "" };
  if (status >= 500) return { title: `The server failed (${status})`, hint: "Try again; the server's log has the cause." };
  return { title: status ? `The request was refused (${status})` : "Something went wrong", hint: "" };
}
