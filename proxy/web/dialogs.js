// The page's two dialogs: the key, and "are you sure".

import { key } from "./api.js";
import { h, icon } from "./dom.js";

let open = null; // the key's dialog, of which one is enough

// askForKey resolves to true once a key was saved.
export function askForKey() {
  if (open) return open;
  const input = h("input", { type: "password", id: "key-input", autocomplete: "off", spellcheck: "false", value: key.get(), placeholder: "rp-…" });
  const save = h("button", { type: "submit", class: "button primary", value: "save" }, "Use this key");
  const dialog = h("dialog", { class: "dialog", "aria-labelledby": "key-title" }, h("form", { method: "dialog" },
    h("h2", { id: "key-title" }, "Key"),
    h("p", {}, "A key of this server, made by ", h("code", {}, "ragproxy keys add"), ". Where the server has none of its own, the model provider's key goes here and is passed on."),
    h("label", { for: "key-input" }, "Key"), input,
    h("p", { class: "fine" }, "It stays in this tab until the tab is closed."),
    h("div", { class: "dialog-actions" },
      h("button", { type: "button", class: "button", onclick: () => dialog.close("") }, "Cancel"),
      key.get() && h("button", { type: "button", class: "button", onclick: () => dialog.close("forget") }, "Forget it"), save))); // the one that Enter presses
  open = show(dialog, input).then((answer) => {
    open = null;
    if (answer === "save" && input.value.trim()) key.set(input.value.trim());
    if (answer === "forget") key.set("");
    return answer === "save";
  });
  return open;
}

export function confirm(title, text, yes) {
  const no = h("button", { type: "submit", class: "button", value: "" }, "Cancel");
  return show(h("dialog", { class: "dialog", "aria-labelledby": "confirm-title" }, h("form", { method: "dialog" },
    h("h2", { id: "confirm-title" }, title), h("p", {}, text),
    h("div", { class: "dialog-actions" }, no, h("button", { type: "submit", class: "button danger", value: "yes" }, icon("trash", 16), h("span", {}, yes))))), no)
    .then((answer) => answer === "yes");
}

function show(dialog, focus) {
  document.body.append(dialog);
  dialog.showModal();
  focus.focus();
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => { dialog.remove(); resolve(dialog.returnValue); });
  });
}
