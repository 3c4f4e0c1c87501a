// Puts the pages together: the header, the routes, dropping and keys.

import { getJSON, key, parse } from "./api.js";
import { chatPage } from "./chat.js";
import { makeCollections } from "./collections.js";
import { makeControls } from "./controls.js";
import { askForKey, confirm } from "./dialogs.js";
import { documentsPage } from "./documents.js";
import { fill, h, icon } from "./dom.js";
import { searchPage } from "./search.js";

const config = await fetch("playground/config.json", { cache: "no-store" }).then((r) => r.text()).then(parse).catch(() => null) ?? {};
const collections = makeCollections(config);
const models = async () => ((await getJSON("models")).data ?? []).map((m) => String(m.id));
const controls = makeControls({ config, collections, models });
const needsKey = () => Boolean(config.needs_key) && !key.get();
const shared = { config, controls, collections, askForKey, confirm, needsKey, state: {} };

const makers = { chat: chatPage, search: searchPage, documents: documentsPage };
const titles = { chat: "Chat", search: "Search", documents: "Documents" };
const pages = { chat: chatPage(shared) };
const main = document.getElementById("main");
let current = "";

function route(first = false) {
  const name = /^#\/(\w+)/.exec(location.hash)?.[1];
  const next = Object.hasOwn(makers, name) ? name : "chat";
  if (next === current) return;
  current = next;
  pages[next] ??= makers[next](shared);
  fill(main, pages[next].el);
  document.title = `${titles[next]} · ragproxy`;
  document.body.dataset.page = next;
  for (const a of document.querySelectorAll(".tabs a")) {
    if (a.dataset.page === next) a.setAttribute("aria-current", "page");
    else a.removeAttribute("aria-current");
  }
  if (!first || matchMedia("(min-width: 1024px)").matches) pages[next].focus();
}

function header() {
  const keyButton = h("button", { type: "button", class: "icon-button", onclick: () => askForKey() });
  const drawKey = () => {
    const words = key.get() ? "Key: one is set" : "Key: none is set";
    keyButton.setAttribute("aria-label", words);
    keyButton.title = words;
    keyButton.classList.toggle("set", Boolean(key.get()));
    fill(keyButton, icon("key", 19));
  };
  document.addEventListener("keychange", async () => { drawKey(); await reload(); });
  drawKey();
  fill(document.getElementById("top-end"), config.version && h("span", { class: "version" }, config.version), keyButton, themeButton());
}

// themeButton goes from the system's choice to light to dark and back.
function themeButton() {
  const order = ["auto", "light", "dark"], root = document.documentElement;
  const words = { auto: "Theme: as the system", light: "Theme: light", dark: "Theme: dark" };
  const button = h("button", { type: "button", class: "icon-button", id: "theme" });
  const draw = () => {
    const now = root.dataset.theme ?? "auto";
    fill(button, icon(now, 19));
    button.setAttribute("aria-label", words[now]);
    button.title = words[now];
  };
  button.addEventListener("click", () => {
    const next = order[(order.indexOf(root.dataset.theme ?? "auto") + 1) % order.length];
    if (next === "auto") delete root.dataset.theme;
    else root.dataset.theme = next;
    try { localStorage.setItem("ragproxy.theme", next); } catch { /* storage may be off */ }
    draw();
  });
  draw();
  return button;
}

async function reload() {
  if (needsKey()) return pages.chat.drawHero();
  await Promise.all([collections.load(), controls.loadModels()]);
  pages.chat.drawHero();
}

// Files and addresses may be dropped anywhere.
function drops() {
  const veil = document.getElementById("drop");
  let depth = 0;
  const wanted = (e) => [...(e.dataTransfer?.types ?? [])].some((t) => t === "Files" || t === "text/uri-list");
  const hide = () => { depth = 0; veil.hidden = true; };
  addEventListener("dragenter", (e) => {
    if (!wanted(e) || !e.relatedTarget && depth > 0) return;
    depth++;
    document.getElementById("drop-where").textContent = `into ${controls.value.collection || collections.standard}`;
    veil.hidden = false;
  });
  addEventListener("dragover", (e) => { if (wanted(e)) e.preventDefault(); });
  addEventListener("dragleave", (e) => { if (!e.relatedTarget) hide(); });
  addEventListener("drop", (e) => {
    if (!wanted(e)) return;
    e.preventDefault();
    hide();
    const files = [...e.dataTransfer.files];
    const url = e.dataTransfer.getData("text/uri-list").split("\n").find((l) => l && !l.startsWith("#"))?.trim();
    const page = pages[current].add ? pages[current] : pages.chat;
    if (page === pages.chat) location.hash = "#/chat";
    if (files.length) page.add({ files });
    else if (url) page.add({ url });
  });
}

addEventListener("keydown", (e) => {
  if (e.key !== "Escape" || document.querySelector("dialog[open]")) return;
  if (pages.chat.escape()) e.preventDefault();
});
document.querySelector(".skip").addEventListener("click", (e) => { e.preventDefault(); main.focus(); });
addEventListener("hashchange", () => route());

header();
drops();
route(true);
await reload();
document.documentElement.dataset.ready = "true";
