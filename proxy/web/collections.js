// The collections of the server, for every select that offers them.

import { getJSON } from "./api.js";
import { h } from "./dom.js";

export function makeCollections(config) {
  const selects = [];
  const self = {
    list: [], loaded: false,
    standard: config.collection || "default", // searched where none is named
    async load() {
      try {
        self.list = (await getJSON("rag/collections")).data ?? [];
        self.loaded = true;
      } catch {
        self.list = []; // what is asked next says why
      }
      if (self.list.length && !self.list.some((c) => c.name === self.standard)) self.standard = self.list[0].name;
      selects.forEach(draw);
    },
    // select gives an element whose value is a collection's name, "" for the
    // server's own choice.
    select(id, wanted = "") {
      const el = h("select", { id, data: { wanted } });
      el.addEventListener("change", () => { el.dataset.wanted = el.value; });
      selects.push(el);
      draw(el);
      return el;
    },
  };
  function draw(el) {
    const chosen = el.value || el.dataset.wanted;
    const own = config.collection || "default";
    const names = self.list.map((c) => c.name).filter((n) => n !== own);
    const first = self.standard === own ? [h("option", { value: "" }, own)] : [];
    el.replaceChildren(...first, ...names.map((n) => h("option", { value: n }, n)));
    el.value = names.includes(chosen) ? chosen : first.length ? "" : names[0];
    if (self.loaded && el.value !== chosen) el.dispatchEvent(new Event("change"));
  }
  return self;
}
