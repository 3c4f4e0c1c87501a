// Puts files and pages into a collection and tells how far it is.

import { Failure, events, fromError, parse, request } from "./api.js";
import { fill, h, icon, plural, toast } from "./dom.js";
import { failureBox } from "./turn.js";

// ingest sends files or a URL. progress(event) is told each step; the result
// is the closing "done" event.
export async function ingest({ files, url, collection, classes }, progress, signal) {
  const options = { method: "POST", headers: { Accept: "text/event-stream" }, signal };
  if (url) {
    options.json = { url, ...(collection && { collection }), ...(classes && { class: classes }) };
  } else {
    options.body = new FormData();
    if (collection) options.body.append("collection", collection);
    if (classes) options.body.append("class", classes);
    for (const file of files) options.body.append("file", file, file.name);
  }
  const response = await request("rag/documents", options);
  if (!/text\/event-stream/.test(response.headers.get("Content-Type") ?? "")) return response.json();
  let result;
  for await (const piece of events(response)) {
    for (const { data } of piece.events) {
      const event = data && data.trim() !== "[DONE]" ? parse(data) : null;
      if (!event) continue;
      if (event.error) throw fromError(event.error, "stream", "The documents could not be indexed.");
      if (event.type === "progress") progress(event);
      if (event.type === "done") result = event;
    }
  }
  if (!result) throw new Failure("cut", "The server ended before it said that it was done.");
  return result;
}

const stages = { load: "Reading", embed: "Embedding", commit: "Publishing" };

// ingestCard runs an ingest and shows it. done(result) is called at its end.
export function ingestCard(what, { done, key }) {
  const name = what.url ?? (what.files.length === 1 ? what.files[0].name : plural(what.files.length, "file"));
  const stop = new AbortController();
  const title = h("p", { class: "ingest-title" });
  const bar = h("progress", { class: "ingest-bar", "aria-label": `indexing ${name}` });
  const detail = h("p", { class: "fine" });
  const cancel = h("button", { type: "button", class: "quiet", onclick: () => stop.abort() }, icon("close", 16), h("span", {}, "Stop"));
  const el = h("div", { class: "ingest", role: "group", "aria-label": `indexing ${name}` }, h("div", { class: "bar" }, title, cancel), bar, detail);
  const step = (e) => {
    fill(title, h("b", {}, name), ` · ${stages[e.stage] ?? e.stage}`);
    if (e.total > 0) Object.assign(bar, { max: e.total, value: Math.min(e.done ?? 0, e.total) });
    else bar.removeAttribute("value");
    fill(detail, [e.documents && plural(e.documents, "document"), e.chunks && plural(e.chunks, "chunk")].filter(Boolean).join(", "));
  };
  const start = async () => {
    fill(title, h("b", {}, name), " · Sending");
    try {
      const result = await ingest(what, step, stop.signal);
      fill(el, summary(name, result));
      toast(result.failed?.length ? `${name}: not all of it could be indexed.` : `${name} is indexed.`, result.failed?.length ? "error" : "info");
      done?.(result);
    } catch (err) {
      if (stop.signal.aborted) return fill(el, h("p", {}, h("b", {}, name), " · stopped; what was not published yet is not indexed."));
      fill(el, failureBox(err instanceof Failure ? err : new Failure("page", String(err)), { key }));
    }
  };
  start();
  return el;
}

function summary(name, r) {
  const counts = [["added", r.added], ["updated", r.updated], ["unchanged", r.unchanged], ["deleted", r.deleted]].filter(([, n]) => n).map(([w, n]) => `${n} ${w}`);
  const failed = (r.failed ?? []).map((f) => (typeof f === "string" ? { source: f, error: "" } : f));
  const none = !counts.length && failed.length;
  return [
    h("p", { class: "ingest-title" }, icon(none ? "warn" : "check", 16), h("b", {}, name), ` · ${counts.join(", ") || "nothing was indexed"}`),
    h("p", { class: "fine" }, `The collection has ${plural(r.documents ?? 0, "document")}, ${plural(r.chunks ?? 0, "chunk")}.`),
    failed.length ? h("ul", { class: "ingest-failed" }, failed.map((f) => h("li", {}, h("b", {}, f.source), ` ${f.error}`))) : null,
  ];
}
