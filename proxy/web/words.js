// Finds the query's words in a passage, near enough as the keyword leg does:
// without case, without endings, Chinese, Japanese and Korean by pairs.

const stop = new Set(("a an and are as at be but by can do does did for from had has have how i if in into is it its me my no not of on or our so some such " +
  "that the their them then there these they this to was we were what when where which who whom why will with you your tell about").split(" "));
const cjk = /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Hangul}]/u;
const word = /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Hangul}]+|[\p{L}\p{N}]+/gu;

function stem(w) {
  const lower = w.toLowerCase().normalize("NFKC");
  const cut = lower.replace(/(?:ations?|ing|ions?|ed|es|ly|s)$/, "");
  return (cut.length >= 4 ? cut : lower.replace(/s$/, "")).replace(/e$/, "");
}

export function queryWords(query) {
  const stems = new Set(), pairs = new Set();
  for (const [w] of query.matchAll(word)) {
    if (cjk.test(w)) for (let i = 0; i < Math.max(1, w.length - 1); i++) pairs.add(w.slice(i, i + 2));
    else if (w.length > 1 && !stop.has(w.toLowerCase())) stems.add(stem(w));
  }
  return { stems, pairs };
}

// spans gives [start, end) of each word of the text that the query has, too.
export function spans(text, { stems, pairs }) {
  const out = [];
  const add = (start, end) => {
    const last = out.at(-1);
    if (last && start <= last[1]) last[1] = Math.max(last[1], end);
    else out.push([start, end]);
  };
  for (const m of text.matchAll(word)) {
    if (!cjk.test(m[0])) {
      if (stems.has(stem(m[0]))) add(m.index, m.index + m[0].length);
      continue;
    }
    for (let i = 0; i < m[0].length; i++) if (pairs.has(m[0].slice(i, i + 2))) add(m.index + i, Math.min(m.index + i + 2, m.index + m[0].length));
  }
  return out;
}

// added gives the spans of a rewritten query that the original has not.
export function added(query, original) {
  const had = new Set([...original.matchAll(word)].map((m) => m[0].toLowerCase()));
  const out = [];
  for (const m of query.matchAll(word)) {
    if (had.has(m[0].toLowerCase())) continue;
    const last = out.at(-1);
    if (last && /^\s*$/.test(query.slice(last[1], m.index))) last[1] = m.index + m[0].length;
    else out.push([m.index, m.index + m[0].length]);
  }
  return out;
}

// marked puts the spans of a text into elements that make(text) gives.
export function marked(text, list, make) {
  const out = [];
  let from = 0;
  for (const [start, end] of list) {
    out.push(text.slice(from, start), make(text.slice(start, end)));
    from = end;
  }
  out.push(text.slice(from));
  return out;
}
