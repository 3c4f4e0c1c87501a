// The chat page: the conversation, what is typed, and the panel beside it.

import { fill, h, icon, plural, safeURL, say } from "./dom.js";
import { ingestCard } from "./ingest.js";
import { inspector } from "./inspector.js";
import { newTurn, run } from "./stream.js";
import { Painter } from "./timing.js";
import { makeTurn } from "./turn.js";

export function chatPage({ config, controls, collections, askForKey, needsKey }) {
  const entries = []; // {turn, view}
  let running = null; // {entry, stop}
  const list = h("div", { class: "turns" });
  const next = h("div", { class: "next", hidden: true });
  const hero = h("div", { class: "hero" });
  const scroll = h("div", { class: "scroll", tabindex: "-1" }, h("h1", { class: "visually-hidden" }, "Chat"), hero, list, next);
  const jobs = h("div", { class: "jobs" });
  const panel = inspector({ onClose: () => input.focus() });
  const input = h("textarea", { id: "question", rows: "1", placeholder: "Ask a question", "aria-label": "Question", enterkeyhint: "send", autocomplete: "off" });
  const send = h("button", { type: "submit", class: "send", "aria-label": "Send", title: "Send (Enter)" }, icon("send", 20));
  const files = h("input", { type: "file", id: "chat-files", multiple: true, hidden: true, "aria-label": "Files to index" });
  const attach = h("button", { type: "button", class: "icon-button", title: "Index a file", "aria-label": "Index a file", onclick: () => files.click() }, icon("clip", 19));
  const fresh = h("button", { type: "button", class: "icon-button", title: "New chat", "aria-label": "New chat", onclick: clear }, icon("plus", 19));
  const offer = h("div", { class: "offer", hidden: true });
  const composer = h("form", { class: "composer", onsubmit: submit }, offer,
    h("div", { class: "composer-box" }, fresh, attach, files, input, send), h("div", { class: "pills" }, controls.elements));
  const el = h("div", { class: "chat" }, h("section", { class: "conversation", "aria-label": "Conversation" }, scroll, jobs, composer), panel.el);

  input.addEventListener("keydown", (e) => {
    if (e.key !== "Enter" || e.shiftKey || e.isComposing) return;
    e.preventDefault();
    submit();
    input.dataset.sent = "true";
  });
  input.addEventListener("beforeinput", (e) => { // some keyboards send the line break all the same
    if (e.inputType === "insertLineBreak" && input.dataset.sent) e.preventDefault();
    delete input.dataset.sent;
  });
  input.addEventListener("input", grow);
  input.addEventListener("paste", (e) => {
    const text = e.clipboardData?.getData("text/plain").trim() ?? "";
    if (!input.value && /^https?:\/\/\S+$/.test(text)) offerPage(text);
  });
  files.addEventListener("change", () => { if (files.files.length) add({ files: [...files.files] }); files.value = ""; });

  function grow() {
    input.style.height = "auto";
    input.style.height = `${Math.min(input.scrollHeight, 200)}px`;
  }

  function offerPage(url) {
    const href = safeURL(url, ["https:", "http:"]);
    if (!href) return;
    const close = () => { offer.hidden = true; };
    fill(offer, h("span", {}, "Index this page instead of asking about it?"),
      h("button", { type: "button", class: "button small primary", onclick: () => { close(); input.value = ""; grow(); add({ url: href }); } }, "Index it"),
      h("button", { type: "button", class: "quiet", onclick: close }, "No"));
    offer.hidden = false;
  }

  function add(what) {
    jobs.prepend(ingestCard({ collection: controls.value.collection || collections.standard, ...what }, { done: async () => { await collections.load(); drawHero(); }, key: askForKey }));
    say("Indexing has begun.");
  }

  function submit(event) {
    event?.preventDefault();
    if (running) return stop();
    const question = input.value.trim();
    if (!question) return input.focus();
    input.value = "";
    offer.hidden = true;
    grow();
    ask(question);
  }

  function stop() { running?.stop.abort(); }

  function clear() {
    stop();
    entries.length = 0;
    fill(list);
    fill(jobs);
    next.hidden = true;
    panel.show(null);
    el.classList.remove("asked");
    drawHero();
    input.focus();
  }

  async function ask(question) {
    const before = entries.filter((e) => e.turn.answer).flatMap((e) => [{ role: "user", content: e.turn.question }, { role: "assistant", content: e.turn.answer }]);
    const options = { ...controls.value, explains: config.explains };
    const turn = newTurn(question, before.length > 0, controls.body([...before, { role: "user", content: question }]), options);
    const entry = { turn };
    entry.view = makeTurn(turn, config, {
      select: (open, tab) => panel.show(entry, { open, tab }),
      passage: (n) => { panel.show(entry, { open: true, tab: "steps" }); entry.view.steps.openPassage(n); },
      retry: () => again(entry),
      key: () => askForKey(),
    });
    entries.push(entry);
    next.hidden = true;
    list.append(entry.view.el);
    el.classList.add("asked");
    drawHero();
    panel.show(entry, { tab: "steps" });
    scroll.scrollTop = scroll.scrollHeight;
    await follow(entry);
  }

  async function follow(entry) {
    const { turn, view } = entry;
    let parts = new Set();
    const painter = new Painter(() => {
      const now = parts, down = scroll.scrollHeight - scroll.scrollTop - scroll.clientHeight < 80;
      parts = new Set();
      view.update(now);
      panel.update(entry);
      if (down) scroll.scrollTop = scroll.scrollHeight;
    });
    const stop = new AbortController();
    running = { entry, stop };
    setSending(true);
    let told = false;
    await run(turn, stop.signal, (part, at) => {
      parts.add(part);
      painter.touch(at);
      if (part === "all") finish();
      if (part === "passages" && !told && turn.sources) { told = true; say(`${plural(turn.sources.length, "passage")} found.`); }
    });
    turn.paint = painter.summary;
    parts.add("timing");
    painter.touch();

    function finish() {
      if (running?.entry !== entry) return;
      running = null;
      setSending(false);
      if (turn.state === "done") say(`Answer: ${turn.answer.slice(0, 2000)}`);
      if (turn.state === "done") suggest(turn.question);
      if (turn.state === "stopped") say("Stopped.");
      if (turn.failure?.status === 401 && !turn.answer) askForKey();
    }
  }

  // suggest offers what the sample's conversation asks next.
  function suggest(question) {
    const at = config.questions?.indexOf(question) ?? -1, follows = at < 0 ? undefined : config.questions[at + 1];
    next.hidden = follows === undefined;
    if (follows) fill(next, h("button", { type: "button", class: "example", onclick: () => { if (!running) ask(follows); } }, follows));
  }

  function again(entry) {
    if (running) return;
    if (entries.at(-1) === entry) {
      entries.pop();
      entry.view.el.remove();
    }
    ask(entry.turn.question);
  }

  function setSending(is) {
    fill(send, icon(is ? "stop" : "send", 20));
    send.setAttribute("aria-label", is ? "Stop" : "Send");
    send.title = is ? "Stop (Esc)" : "Send (Enter)";
    send.classList.toggle("stop", is);
  }

  function drawHero() {
    hero.hidden = entries.length > 0;
    const c = collections.list.find((x) => x.name === (controls.value.collection || collections.standard));
    const questions = config.questions?.length && !controls.value.collection ? config.questions.slice(0, 1) : [];
    const missing = needsKey();
    fill(hero,
      h("p", { class: "hero-title" }, "Ask your documents"),
      h("p", { class: "hero-words" }, "See how a question is rewritten, what is found for it, and what the answer rests on."),
      h("ol", { class: "hero-steps" }, ["Rewrite", "Search", "Passages", "Answer"].map((s) => h("li", {}, s))),
      missing && h("p", { class: "hero-note" }, "This server needs a key. ", h("button", { type: "button", class: "button small primary", onclick: () => askForKey() }, icon("key", 16), h("span", {}, "Enter a key"))),
      questions.length > 0 && h("div", { class: "examples" }, questions.map((q) => h("button", { type: "button", class: "example", onclick: () => { if (!running) ask(q); } }, h("span", {}, q)))),
      !missing && collections.loaded && h("p", { class: "fine hero-facts" }, c
        ? [`Searching ${c.name}`, c.documents !== undefined && `: ${plural(c.documents, "document")}, ${plural(c.chunks, "chunk")}`]
        : ["Nothing is indexed yet. Drop a file here, or paste the address of a page."]));
  }

  controls.onChange(drawHero);
  drawHero();
  return {
    el, add, stop, drawHero,
    running: () => running !== null,
    focus: () => input.focus(),
    escape: () => panel.close() || (running ? (stop(), true) : false),
  };
}
