// The panel beside the conversation: what happened to one question, its raw
// stream, and the request as code. On a phone it is a sheet over the page.

import { codeView } from "./code.js";
import { fill, h, icon } from "./dom.js";
import { rawView } from "./raw.js";

const tabs = [["steps", "Steps"], ["raw", "Raw stream"], ["code", "Code"]];

export function inspector({ onClose }) {
  const narrow = matchMedia("(max-width: 1023px)");
  const remember = {};
  let entry = null, tab = "steps", back = null;
  const body = h("div", { class: "inspector-body", tabindex: "0", role: "region", "aria-label": "What happened" });
  const title = h("p", { class: "inspector-title" });
  const bar = h("div", { class: "segments", role: "group", "aria-label": "View" },
    tabs.map(([name, label]) => h("button", { type: "button", data: { tab: name }, onclick: () => { tab = name; draw(); } }, label)));
  const shut = h("button", { type: "button", class: "icon-button sheet-close", "aria-label": "Close the panel", onclick: () => close() }, icon("close", 20));
  const el = h("aside", { class: "inspector", "aria-label": "Steps of the answer" }, h("div", { class: "inspector-head" }, bar, shut), title, body);

  function show(next, { open = false, tab: wanted } = {}) {
    const other = next !== entry;
    entry = next;
    if (!entry) { close(); fill(body); return fill(title); }
    if (wanted) tab = wanted;
    document.querySelectorAll(".turn.selected").forEach((t) => t.classList.remove("selected"));
    entry.view.el.classList.add("selected");
    if (open && narrow.matches && !el.classList.contains("open")) {
      back = document.activeElement;
      el.classList.add("open");
      document.querySelector(".conversation").inert = true;
      shut.focus();
    }
    draw(other);
  }

  function draw(other = true) {
    for (const b of bar.children) b.setAttribute("aria-pressed", b.dataset.tab === tab);
    fill(title, entry.turn.question);
    if (tab === "steps") fill(body, entry.view.steps.el);
    if (tab === "raw") {
      entry.raw ??= rawView(entry.turn);
      entry.raw.update();
      fill(body, entry.raw.el);
    }
    if (tab === "code") fill(body, codeView(entry.turn.body, remember));
    if (other) body.scrollTop = 0;
  }

  // close ends the sheet; false where none is open.
  function close() {
    if (!el.classList.contains("open")) return false;
    el.classList.remove("open");
    document.querySelector(".conversation").inert = false;
    if (back?.isConnected) back.focus();
    else onClose();
    back = null;
    return true;
  }

  narrow.addEventListener("change", close);
  return { el, show, close, update: (e) => { if (e === entry && tab === "raw") entry.raw?.update(); } };
}
