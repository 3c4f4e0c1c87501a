"""The keyword leg against bm25s: same passages, same queries, one thread, one run.

    pip install -r requirements.txt
    RAGPROXY_TEST_DATA=... python peer.py [FOLDER]

Cuts 40,000 passages of 300 to 600 characters from the judged sets, and from
what lies in Go's module cache where those are too few, into FOLDER (default: a
temporary one). Then bm25s and `go test -bench Passages` search them with the
questions of the sets, each with its own tokeniser, whose time counts.
"""

import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import time

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS"):
    os.environ[name] = "1"

import bm25s
import Stemmer

PASSAGES = 40_000
ROUNDS = 3


def lines(path):
    return [json.loads(line) for line in path.read_text().splitlines() if line]


def texts(data):
    """Yields whole texts, those of the judged sets first."""
    for path in sorted(data.glob("*/corpus.jsonl")):
        for doc in lines(path):
            yield f"{doc.get('title', '')}. {doc['text']}"
    for path in sorted(data.glob("chunking/corpora/*.md")):
        yield path.read_text()
    cache = subprocess.check_output(["go", "env", "GOMODCACHE"], text=True).strip()
    for path in sorted(pathlib.Path(cache).rglob("*.md")):
        yield path.read_text(errors="replace")
    for path in sorted(pathlib.Path(cache).rglob("*.go")):
        yield "\n".join(re.findall(r"^// (.*)", path.read_text(errors="replace"), re.M))


def cut(text):
    """Yields passages that end with a sentence, or after 600 characters."""
    passage = ""
    for sentence in re.split(r"(?<=[.!?])\s+|\n\n+", text):
        for start in range(0, len(sentence), 600):
            passage += sentence[start : start + 600] + " "
            if len(passage) >= 300:
                yield passage[:600].strip()
                passage = ""
    if len(passage) >= 150:
        yield passage.strip()


def questions(data):
    for path in sorted(data.glob("*/queries.jsonl")):
        yield from (q["text"] for q in lines(path))
    for path in sorted(data.glob("*/conversations.jsonl")):
        yield from (c["messages"][-1]["content"] for c in lines(path))
    yield from (q["question"] for q in lines(data / "chunking" / "questions.jsonl"))


def prepare(folder, data):
    passages = []
    for text in texts(data):
        passages += cut(text)
        if len(passages) >= PASSAGES:
            break
    for name, rows in ("passages.jsonl", passages[:PASSAGES]), ("queries.jsonl", list(questions(data))):
        with open(folder / name, "w") as out:
            out.writelines(json.dumps(row) + "\n" for row in rows)


def peer(folder, backend):
    """Median microseconds of a query for k = 10 and 100, as [first round, best later round]."""
    stemmer = Stemmer.Stemmer("english")
    corpus = bm25s.tokenize(lines(folder / "passages.jsonl"), stopwords="en", stemmer=stemmer, show_progress=False)
    index = bm25s.BM25(k1=1.2, b=0.75, backend=backend)
    index.index(corpus, show_progress=False)
    if backend == "numba":
        index.activate_numba_scorer()
    queries = lines(folder / "queries.jsonl")

    def ask(query, k):
        tokens = bm25s.tokenize(query, stopwords="en", stemmer=stemmer, show_progress=False)
        return index.retrieve(tokens, k=k, show_progress=False, n_threads=0)

    ask("compiles what numba has to compile", 10)
    ask("compiles what numba has to compile", 100)
    medians = {}
    for k in (10, 100):
        rounds = []
        for _ in range(ROUNDS):
            took = []
            for query in queries:
                start = time.perf_counter()
                ask(query, k)
                took.append((time.perf_counter() - start) * 1e6)
            rounds.append(sorted(took)[len(took) // 2])
        medians[k] = [rounds[0], min(rounds[1:])]
    return medians


def ours(folder):
    """The same, and the other figures of the benchmark."""
    out = subprocess.check_output(
        ["go", "test", "-run", "^$", "-bench", "Passages", "-cpu", "1", "."],
        text=True, cwd=pathlib.Path(__file__).parents[1],
        env={**os.environ, "RAGPROXY_BENCH_PASSAGES": str(folder)},
    )
    figures = {}
    for line in out.splitlines():
        if line.startswith("Benchmark"):
            words = line.split()
            figures[words[0].split("/")[-1]] = dict(zip(words[3::2], map(float, words[2::2])))
    return figures


def compare(folder, data):
    if not (folder / "passages.jsonl").exists():
        prepare(folder, data)
    peers = {backend: peer(folder, backend) for backend in ("numpy", "numba")}
    figures = ours(folder)
    print("median microseconds of a query: first round, later rounds (ours / theirs)")
    for k in (10, 100):
        mine = [figures[f"k={k}"][name] for name in ("first-µs", "p50-µs")]
        print(f"k={k:<4} ragproxy     {mine[0]:7.0f} {mine[1]:7.0f}")
        for backend, medians in peers.items():
            a, b = medians[k]
            print(f"       bm25s {backend} {a:7.0f} {b:7.0f}   ({mine[0] / a:.2f}, {mine[1] / b:.2f})")
    print(f"index {figures['open']['MB']:.1f} MB, opened in {figures['open']['ns/op'] / 1e6:.1f} ms")


def main():
    data = pathlib.Path(os.environ["RAGPROXY_TEST_DATA"])
    with tempfile.TemporaryDirectory() as scratch:
        compare(pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else scratch), data)


if __name__ == "__main__":
    main()
