// Shows a model's Markdown. The text is a stranger's: it becomes elements and
// text nodes, images are named and never loaded, and only https addresses
// become links.

import { h, outLink, safeURL, sameLink } from "./dom.js";

// renderMarkdown brings el up to date with text. Blocks that have not changed
// stay as they are, so a stream costs its last block a frame. ctx.mark(n)
// gives the element of a mark [n], or null where there is no such source;
// ctx.flagged holds, by sameLink, addresses that must not become links; ctx.version changes
// when ctx does.
export function renderMarkdown(el, text, ctx) {
  const blocks = splitBlocks(text);
  const old = el.blocks?.version === ctx.version ? el.blocks.sources : [];
  let same = 0;
  while (same < blocks.length && same < old.length && old[same] === blocks[same]) same++;
  while (el.childNodes.length > same) el.lastChild.remove();
  for (const block of blocks.slice(same)) el.append(renderBlock(block, ctx));
  el.blocks = { sources: blocks, version: ctx.version };
}

const fence = /^ {0,3}(`{3,}|~{3,})\s*([^`]*)$/;
const item = /^(\s*)([-*+]|\d{1,9}[.)])\s+(.*)$/;
const heading = /^ {0,3}(#{1,6})\s+(.*?)\s*#*$/;
const rule = /^ {0,3}([-*_])(\s*\1){2,}\s*$/;
const tableRow = /^\s*\|.*\|\s*$/;

// splitBlocks cuts at what starts or ends a block; a block is its own source.
function splitBlocks(text) {
  const out = [];
  let lines = [];
  let open = ""; // the fence that is open
  const flush = () => { if (lines.length) out.push(lines.join("\n")); lines = []; };
  for (const line of text.split("\n")) {
    const mark = line.match(fence)?.[1];
    if (open) {
      lines.push(line);
      if (mark && mark[0] === open[0] && mark.length >= open.length && line.trim() === mark) { flush(); open = ""; }
    } else if (mark) {
      flush();
      lines.push(line);
      open = mark;
    } else if (!line.trim()) {
      if (!item.test(lines[0] ?? "")) flush();
      else lines.push(""); // a list goes on after an empty line, if it does
    } else {
      if (startsAnew(lines, line)) flush();
      lines.push(line);
    }
  }
  flush();
  return out;
}

function startsAnew(lines, line) {
  if (!lines.length) return false;
  const first = lines[0];
  if (heading.test(line) || rule.test(line) || heading.test(first) || rule.test(first)) return true;
  if (item.test(first)) return lines.at(-1) === "" && !item.test(line) && !/^\s{2,}/.test(line);
  if (item.test(line) && !/^\s{4,}/.test(line)) return true;
  return tableRow.test(line) !== tableRow.test(first) || line.startsWith(">") !== first.startsWith(">");
}

function renderBlock(source, ctx) {
  const lines = source.split("\n");
  const first = lines[0];
  if (fence.test(first)) return codeBlock(lines);
  if (heading.test(first)) return h("p", { class: "md-heading" }, inline(first.match(heading)[2], ctx));
  if (rule.test(first)) return h("hr");
  if (item.test(first)) return list(lines, ctx);
  if (tableRow.test(first) && /^[\s|:-]+$/.test(lines[1] ?? "")) return table(lines, ctx);
  if (first.startsWith(">")) return h("blockquote", {}, inline(lines.map((l) => l.replace(/^>\s?/, "")).join("\n"), ctx));
  return h("p", {}, inline(source, ctx));
}

function codeBlock(lines) {
  const [, mark, language] = lines[0].match(fence);
  const closed = lines.length > 1 && lines.at(-1).trim().startsWith(mark);
  const text = lines.slice(1, closed ? -1 : undefined).join("\n");
  return h("pre", { tabindex: "0", "aria-label": `code ${language}`.trim() }, h("code", {}, text));
}

// list nests by indentation.
function list(lines, ctx) {
  const root = { indent: -1, el: null, last: null };
  const stack = [root];
  for (const line of lines) {
    const m = line.match(item);
    if (!m) {
      const at = stack.at(-1).last;
      if (line.trim() && at) at.append(h("br"), ...inline(line.trim(), ctx));
      continue;
    }
    const indent = m[1].replaceAll("\t", "    ").length;
    while (stack.length > 2 && indent < stack.at(-1).indent) stack.pop();
    if (stack.length === 1 || indent > stack.at(-1).indent + 1) {
      const ordered = /\d/.test(m[2]);
      const el = h(ordered ? "ol" : "ul", ordered && parseInt(m[2]) !== 1 ? { start: parseInt(m[2]) } : {});
      (stack.at(-1).last ?? { append() {} }).append(el);
      root.el ??= el;
      stack.push({ indent, el, last: null });
    }
    const level = stack.at(-1);
    level.last = h("li", {}, inline(m[3], ctx));
    level.el.append(level.last);
  }
  return root.el;
}

function table(lines, ctx) {
  const cells = (line) => line.trim().replace(/^\||\|$/g, "").split("|").map((c) => c.trim());
  return h("div", { class: "md-table", tabindex: "0", role: "region", "aria-label": "table" }, h("table", {},
    h("thead", {}, h("tr", {}, cells(lines[0]).map((c) => h("th", { scope: "col" }, inline(c, ctx))))),
    h("tbody", {}, lines.slice(2).filter((l) => l.trim()).map((l) => h("tr", {}, cells(l).map((c) => h("td", {}, inline(c, ctx))))))));
}

const pieces = [
  [/`+/y, code],
  [/!\[([^\]\n]{0,300})\]\(\s*<?([^\s)>]{1,2000})>?[^)\n]{0,300}\)/y, (m) => h("span", { class: "md-image" }, `image not loaded: ${m[1] || m[2]}`)],
  [/\[([^\]\n]{1,300})\]\(\s*<?([^\s)>]{1,2000})>?[^)\n]{0,300}\)/y, (m, ctx) => link(m[2], inline(m[1], { ...ctx, mark: () => null }), ctx)],
  [/\[(\d{1,3}(?:\s*,\s*\d{1,3})*)\](?!\()/y, marks],
  [/\*\*(?=\S)([^\n]*?\S)\*\*/y, (m, ctx) => h("strong", {}, inline(m[1], ctx))],
  [/__(?=\S)([^\n]*?\S)__(?!\w)/y, (m, ctx) => h("strong", {}, inline(m[1], ctx))],
  [/\*(?=[^\s*])([^*\n]*?[^\s*])\*/y, (m, ctx) => h("em", {}, inline(m[1], ctx))],
  [/<?(https?:\/\/[^\s<>"'`\]]{1,2000})>?/y, (m, ctx) => bareLink(m, ctx)],
];

function inline(text, ctx) {
  const out = [];
  let from = 0;
  for (let at = 0; at < text.length;) {
    const hit = /[`!\[*_<h]/.test(text[at]) && !(text[at] === "_" && /\w/.test(text[at - 1] ?? "")) ? match(text, at, ctx) : null;
    if (!hit) { at++; continue; }
    out.push(text.slice(from, at), hit.node);
    at = from = hit.end;
  }
  out.push(text.slice(from));
  return out.flat().filter((n) => n !== "");
}

function match(text, at, ctx) {
  for (const [pattern, make] of pieces) {
    pattern.lastIndex = at;
    const m = pattern.exec(text);
    if (!m) continue;
    const made = make(m, ctx, text, at);
    if (made) return made.end ? made : { node: made, end: at + m[0].length };
  }
  return null;
}

function code(m, ctx, text, at) {
  const end = text.indexOf(m[0], at + m[0].length);
  if (end < 0) return null;
  return { node: h("code", {}, text.slice(at + m[0].length, end).trim()), end: end + m[0].length };
}

function marks(m, ctx) {
  const found = m[1].split(",").map((n) => ctx.mark(Number(n)));
  return found.every(Boolean) ? h("span", { class: "marks" }, found) : null;
}

function bareLink(m, ctx) {
  const address = m[1].replace(/[.,;:!?)*_]+$/, "");
  const node = link(address, [address], ctx);
  return m[0].startsWith("<") ? node : { node, end: m.index + address.length };
}

// link makes a link, or words where none may be made.
function link(address, content, ctx) {
  const href = safeURL(address);
  if (ctx.flagged.has(sameLink(address))) {
    return h("span", { class: "md-flagged", title: "This address came from a passage, not from the question: it was left out as a link." }, content, ` (${address})`);
  }
  return href ? outLink(href, ...content) : h("span", {}, content, content.join?.("") === address ? "" : ` (${address})`);
}
