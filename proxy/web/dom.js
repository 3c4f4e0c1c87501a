// Builds elements. Text only ever becomes text nodes: answers, passages and
// titles come from strangers, so nothing here parses HTML.

export function h(tag, props, ...children) {
  const el = document.createElement(tag);
  for (const [name, value] of Object.entries(props ?? {})) set(el, name, value);
  el.append(...flat(children));
  return el;
}

function set(el, name, value) {
  if (value === undefined || value === null || value === false) return;
  if (name.startsWith("on")) el.addEventListener(name.slice(2), value);
  else if (name === "class") el.className = value;
  else if (name === "data") Object.assign(el.dataset, value);
  else if (name === "value") el.value = value;
  else el.setAttribute(name, value === true ? "" : String(value));
}

const flat = (children) => children.flat(Infinity).filter((c) => c !== null && c !== undefined && c !== false && c !== "");

export function fill(el, ...children) {
  el.replaceChildren(...flat(children));
  return el;
}

const paths = {
  send: "M12 19V5M5.5 11.5 12 5l6.5 6.5",
  stop: "M8 8h8v8H8z",
  plus: "M12 5v14M5 12h14",
  key: "M8 20a4.2 4.2 0 1 0 0-8.4 4.2 4.2 0 0 0 0 8.4zM11 12.8 20 4M16.5 7.5 19 10M13.8 10.2l1.7 1.7",
  light: "M12 16a4 4 0 1 0 0-8 4 4 0 0 0 0 8zM12 3v1.5M12 19.5V21M3 12h1.5M19.5 12H21M5.6 5.6l1.1 1.1M17.3 17.3l1.1 1.1M5.6 18.4l1.1-1.1M17.3 6.7l1.1-1.1",
  dark: "M20 14.5A8.5 8.5 0 0 1 9.5 4a8.5 8.5 0 1 0 10.5 10.5z",
  auto: "M12 3.5a8.5 8.5 0 1 0 0 17zM12 3.5a8.5 8.5 0 0 1 0 17",
  copy: "M9 9h11v11H9zM5 15H4V4h11v1",
  check: "m5 12.5 4.5 4.5L19 7.5",
  warn: "M12 4 2.8 19.5h18.4zM12 10v4.5M12 17.2v.1",
  retry: "M20 12a8 8 0 1 1-2.5-5.8L20 8.5M20 4v4.5h-4.5",
  trash: "M4.5 7h15M9.5 7V4.5h5V7M6.5 7l.8 12.5h9.4L17.5 7M10 11v5M14 11v5",
  down: "m6 9.5 6 6 6-6",
  close: "M6 6l12 12M18 6 6 18",
  search: "M10.5 17a6.5 6.5 0 1 0 0-13 6.5 6.5 0 0 0 0 13zM20 20l-4.8-4.8",
  file: "M13.5 3.5H6v17h12V8zM13.5 3.5V8H18",
  clip: "m20 11.5-8 8a5 5 0 0 1-7-7l8.5-8.5a3.3 3.3 0 0 1 4.7 4.7l-8.4 8.4a1.7 1.7 0 0 1-2.4-2.4l7.6-7.5",
  steps: "M5 6h.01M5 12h.01M5 18h.01M9.5 6H20M9.5 12H20M9.5 18H20",
  code: "m8 7.5-4.5 4.5L8 16.5M16 7.5l4.5 4.5-4.5 4.5",
  link: "M10 14a4 4 0 0 0 5.7 0l3-3A4 4 0 0 0 13 5.3l-1 1M14 10a4 4 0 0 0-5.7 0l-3 3a4 4 0 0 0 5.7 5.7l1-1",
};

export function icon(name, size = 18) {
  const ns = "http://www.w3.org/2000/svg";
  const svg = document.createElementNS(ns, "svg");
  for (const [k, v] of Object.entries({ viewBox: "0 0 24 24", width: size, height: size, "aria-hidden": "true", class: "icon" })) svg.setAttribute(k, v);
  const path = document.createElementNS(ns, "path");
  path.setAttribute("d", paths[name]);
  svg.append(path);
  return svg;
}

// say tells a screen reader something once, in words.
export function say(text) {
  const status = document.getElementById("status");
  if (status.textContent === text) status.textContent = "";
  status.textContent = text;
}

export function toast(text, kind = "info") {
  const el = h("div", { class: `toast ${kind}`, role: kind === "error" ? "alert" : "status" }, text);
  document.getElementById("toasts").append(el);
  setTimeout(() => el.remove(), kind === "error" ? 9000 : 4000);
}

// copyButton copies what text() gives at the time of the click.
export function copyButton(label, text, { small = true } = {}) {
  const button = h("button", { type: "button", class: small ? "quiet" : "button" }, icon("copy", 16), h("span", {}, label));
  button.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(text());
      fill(button, icon("check", 16), h("span", {}, "Copied"));
    } catch {
      toast("The browser did not let the page copy. Select the text and copy it by hand.", "error");
      return;
    }
    setTimeout(() => fill(button, icon("copy", 16), h("span", {}, label)), 1600);
  });
  return button;
}

export const sentence = (text) => text.charAt(0).toUpperCase() + text.slice(1).replace(/\.$/, "");

export const plural = (n, one, many = one + "s") => `${n.toLocaleString("en")} ${n === 1 ? one : many}`;

export function ms(value) {
  if (value === undefined || value === null) return "";
  if (value < 1) return "<1\u00a0ms";
  if (value < 1000) return `${Math.round(value)}\u00a0ms`;
  return `${(value / 1000).toFixed(value < 10000 ? 1 : 0)}\u00a0s`;
}

// safeURL gives an address that may become a link, or null: everything that
// is no plain web address stays text.
export function safeURL(text, schemes = ["https:"]) {
  try {
    const url = new URL(text);
    return schemes.includes(url.protocol) && !url.username && !url.password ? url.href : null;
  } catch {
    return null;
  }
}

// sameLink gives what two addresses share that lead to the same page, with or
// without TLS: a flagged one must not come back in another dress.
export function sameLink(text) {
  try {
    const url = new URL(text);
    return `${url.host.replace(/^www\./, "")}${url.pathname.replace(/\/+$/, "")}${url.search}`;
  } catch {
    return text;
  }
}

export function outLink(href, ...children) {
  return h("a", { href, target: "_blank", rel: "noopener noreferrer nofollow", title: href }, ...children);
}
