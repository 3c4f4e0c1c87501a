// The documents page: what a collection holds, chunk by chunk; adding and
// deleting.

import { getJSON, request } from "./api.js";
import { fill, h, icon, plural, safeURL, say, toast } from "./dom.js";
import { ingestCard } from "./ingest.js";
import { address } from "./passage.js";
import { failureBox } from "./turn.js";

const pageSize = 50;

export function documentsPage({ collections, askForKey, confirm }) {
  const pick = collections.select("documents-collection");
  const facts = h("p", { class: "facts" });
  const list = h("ul", { class: "documents" });
  const more = h("div", { class: "more" });
  const jobs = h("div", { class: "jobs" });
  const collection = () => pick.value || collections.standard;
  let after = "", turn = 0;

  const load = async (fresh) => {
    const mine = fresh ? ++turn : turn;
    if (fresh) after = "";
    fill(more, h("p", { class: "fine" }, "Loading…"));
    const params = new URLSearchParams({ collection: collection(), limit: pageSize, ...(after && { after }) });
    try {
      const page = await getJSON(`rag/documents?${params}`);
      if (mine !== turn) return;
      if (fresh) fill(list);
      list.append(...page.data.map((d) => row(d, { collection: collection(), remove, askForKey })));
      after = page.data.at(-1)?.id ?? "";
      fill(more, page.has_more ? h("button", { type: "button", class: "button", onclick: () => load(false) }, "Show more") : !list.children.length && empty());
    } catch (err) {
      if (mine !== turn) return;
      if (fresh) fill(list);
      fill(more, err.code === "collection_not_found" ? empty() : failureBox(err, { retry: () => load(true), key: askForKey }));
    }
  };
  const count = () => {
    const c = collections.list.find((x) => x.name === collection());
    fill(facts, c?.documents === undefined ? "" : `${plural(c.documents, "document")} · ${plural(c.chunks, "chunk")} · ${c.space}`);
  };
  const refresh = async () => { await collections.load(); count(); await load(true); };
  const remove = async (doc, li) => {
    if (!(await confirm(`Delete “${doc.title || doc.id}”?`, `${plural(doc.chunks, "chunk")} of ${doc.id} will no longer be found. It can be indexed again.`, "Delete"))) return;
    try {
      await request(`rag/documents/${encodeURIComponent(doc.id)}?${new URLSearchParams({ collection: collection() })}`, { method: "DELETE" });
      const next = li.nextElementSibling ?? li.previousElementSibling;
      li.remove();
      (next?.querySelector("button") ?? pick).focus();
      toast(`${doc.title || doc.id} is deleted.`);
      await collections.load();
      count();
      if (!list.children.length) load(true);
    } catch (err) {
      li.append(failureBox(err, { key: askForKey }));
    }
  };
  const add = (what) => { jobs.prepend(ingestCard({ collection: collection(), ...what }, { done: refresh, key: askForKey })); say("Indexing has begun."); };

  pick.addEventListener("change", () => { count(); load(true); });
  refresh();
  const el = h("div", { class: "page narrow" },
    h("div", { class: "page-head" }, h("h1", {}, "Documents"), h("label", { class: "pill" }, h("span", {}, "Collection"), pick)),
    adder(add), jobs, facts, list, more);
  return { el, add, focus: () => document.getElementById("main").focus() };
}

const empty = () => h("p", { class: "empty-words" }, "Nothing is indexed here yet. Drop a file above, or paste an address.");

// adder takes files, a URL, and the CSS classes to keep of a page.
function adder(add) {
  const input = h("input", { type: "file", id: "add-files", multiple: true, class: "visually-hidden" });
  input.addEventListener("change", () => { if (input.files.length) add({ files: [...input.files] }); input.value = ""; });
  const url = h("input", { type: "url", id: "add-url", placeholder: "https://example.org/page", autocomplete: "off", "aria-label": "Address of a page" });
  const classes = h("input", { type: "text", id: "add-class", placeholder: "only these CSS classes (optional)", autocomplete: "off", "aria-label": "CSS classes to keep" });
  const submit = (event) => {
    event.preventDefault();
    const href = safeURL(url.value.trim(), ["https:", "http:"]);
    if (!href) { toast("Give the whole address, with https:// in front.", "error"); return url.focus(); }
    add({ url: href, classes: classes.value.trim() });
    url.value = "";
  };
  return h("section", { class: "adder", "aria-label": "Add documents" },
    h("label", { class: "dropzone", for: "add-files" }, input, icon("file", 22), h("span", {}, h("b", {}, "Choose files"), " or drop them anywhere on this page"),
      h("span", { class: "fine" }, "HTML, Markdown, text, code, PDF, DOCX, PPTX, XLSX, ODT, EPUB, CSV, JSONL")),
    h("form", { class: "url-form", onsubmit: submit, novalidate: true }, url, classes, h("button", { type: "submit", class: "button primary" }, "Index the page")));
}

function row(doc, { collection, remove, askForKey }) {
  const body = h("div", { class: "chunks", hidden: true });
  const toggle = h("button", { type: "button", class: "document-head", "aria-expanded": "false" }, icon("down", 16),
    h("span", { class: "document-title" }, doc.title || doc.id), h("span", { class: "fine" }, plural(doc.chunks, "chunk")));
  const gone = h("button", { type: "button", class: "quiet danger", "aria-label": `Delete ${doc.title || doc.id}`, title: "Delete" }, icon("trash", 17));
  const li = h("li", { class: "document" }, h("div", { class: "document-row" }, toggle, gone), h("p", { class: "document-where" }, address(doc) ?? doc.id), body);
  gone.addEventListener("click", () => remove(doc, li));
  toggle.addEventListener("click", async () => {
    body.hidden = !body.hidden;
    toggle.setAttribute("aria-expanded", !body.hidden);
    li.classList.toggle("open", !body.hidden);
    if (body.hidden || body.childNodes.length) return;
    fill(body, h("p", { class: "fine" }, "Loading…"));
    try {
      fill(body, chunks(await getJSON(`rag/documents/${encodeURIComponent(doc.id)}?${new URLSearchParams({ collection })}`)));
    } catch (err) {
      fill(body, failureBox(err, { key: askForKey }));
    }
  });
  return li;
}

function chunks(doc) {
  const meta = Object.entries(doc.metadata ?? {});
  return [
    meta.length ? h("dl", { class: "meta" }, meta.map(([k, v]) => [h("dt", {}, k), h("dd", {}, typeof v === "string" ? v : JSON.stringify(v))])) : null,
    h("ol", { class: "chunk-list" }, (doc.chunks ?? []).map((c) => h("li", {},
      h("p", { class: "fine" }, `chunk ${c.position?.chunk ?? ""} · characters ${(c.position?.start ?? 0).toLocaleString("en")}–${(c.position?.end ?? 0).toLocaleString("en")}`),
      h("p", { class: "chunk-text" }, c.text)))),
  ];
}
