// Shows the stream as it came over the wire, event by event.

import { copyButton, fill, h, plural } from "./dom.js";

const shownAtMost = 3000; // events

// rawView gives an element and update(), which adds what came since.
export function rawView(turn) {
  const list = h("ol", { class: "raw" });
  const count = h("span", { class: "fine" });
  let shown = 0;
  const update = () => {
    const news = turn.raw.slice(shown, shownAtMost);
    list.append(...news.map(line));
    shown += news.length;
    const hidden = turn.raw.length > shown || turn.rawBytes > turn.raw.reduce((n, r) => n + r.raw.length, 0);
    fill(count, `${plural(turn.raw.length, "event")}, ${(turn.rawBytes / 1024).toFixed(1)} KB${hidden ? "; the rest is not shown" : ""}`);
  };
  const el = h("div", { class: "raw-view" }, h("div", { class: "bar" }, count, copyButton("Copy all", () => turn.raw.map((r) => r.raw + "\n\n").join(""))), list);
  return { el, update };
}

function line({ raw, ms }) {
  const kind = kindOf(raw);
  return h("li", { class: kind.ours ? "ours" : "" }, h("details", {},
    h("summary", {}, h("span", { class: "raw-time" }, `+${ms.toFixed(0)}`), h("span", { class: "raw-kind" }, kind.name), h("span", { class: "raw-start" }, kind.text)),
    h("pre", { tabindex: "0", "aria-label": "the event" }, raw)));
}

// kindOf names an event without reading all of it: some are 60 KB.
function kindOf(raw) {
  if (raw.startsWith(":")) return { name: "comment", text: raw };
  if (/^data: ?\[DONE\]/.test(raw)) return { name: "end", text: raw };
  const rag = /"rag":\{"type":"([\w.]+)"/.exec(raw);
  if (rag) return { name: rag[1], ours: true, text: /"delta":("(?:[^"\\]|\\.)*")\}\}/.exec(raw)?.[1] ?? raw.slice(raw.indexOf('"rag":')).slice(0, 200) };
  if (/^data: ?\{"error"/.test(raw)) return { name: "error", text: raw.slice(0, 200) };
  if (/"event":\{"type":"(\w+)"/.test(raw)) return { name: "event", ours: true, text: raw.slice(raw.indexOf('"event":')).slice(0, 200) };
  const delta = /"delta":\{[^}]*"content":("(?:[^"\\]|\\.)*")/.exec(raw);
  return { name: "delta", text: delta?.[1] ?? raw.slice(0, 200) };
}
