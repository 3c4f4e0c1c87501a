// Paints once a frame, and measures how long what came over the network took
// to be on the screen: from the moment at which the piece was read to the
// first task after the frame that shows it.

export class Painter {
  #render; #waiting = []; #scheduled = false; #seen = [];

  constructor(render) { this.#render = render; }

  // touch asks for a frame. at is when the piece was read; without it nothing
  // is measured.
  touch(at) {
    if (at !== undefined && !document.hidden) this.#waiting.push(at);
    if (this.#scheduled) return;
    this.#scheduled = true;
    if (document.hidden) setTimeout(() => this.#frame(), 50); // no frames come
    else requestAnimationFrame(() => this.#frame());
  }

  #frame() {
    this.#scheduled = false;
    const pieces = this.#waiting;
    this.#waiting = [];
    this.#render();
    if (!pieces.length) return;
    const after = new MessageChannel();
    after.port1.onmessage = () => {
      const now = performance.now();
      for (const at of pieces) this.#seen.push(now - at);
      tell(this.#seen);
      after.port1.close();
    };
    after.port2.postMessage(0);
  }

  get summary() { return summary(this.#seen); }
}

function summary(seen) {
  if (!seen.length) return null;
  const sorted = [...seen].sort((a, b) => a - b);
  const at = (q) => sorted[Math.min(sorted.length - 1, Math.floor(q * sorted.length))];
  return { n: sorted.length, p50: at(.5), p95: at(.95), max: sorted.at(-1) };
}

// tell puts the figures of the last answer where a test can read them.
function tell(seen) {
  const s = summary(seen), data = document.documentElement.dataset;
  data.paintN = s.n;
  data.paintP50 = s.p50.toFixed(1);
  data.paintP95 = s.p95.toFixed(1);
  data.paintMax = s.max.toFixed(1);
}
