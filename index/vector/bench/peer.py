"""Compares the vector engines with hnswlib, faiss and usearch, in one run, by
CPU time on one thread, over the same real vectors (all-MiniLM-L6-v2):

    pip install -r index/vector/bench/requirements.txt
    python index/vector/bench/peer.py --dir DIR [--rows 24000 40000 100000]

DIR holds rows.f32 and queries.f32; if it does not, they are made first from the
folder RAGPROXY_TEST_DATA and Go's own sources, in some minutes. All take turns,
and of each the best of --rounds counts.
"""
import argparse
import json
import os
import pathlib
import platform
import subprocess
import tempfile
import time
from importlib.metadata import version

import faiss
import hnswlib
import numpy as np
from usearch.index import Index

DIMS, EFS = 384, (20, 30, 40, 50, 60, 80, 100, 130, 170, 220, 300, 400, 600)


class Ours:
    """A child process that follows orders (main.go)."""

    def __init__(self, program, folder, engine, rows, debug=""):
        self.child = subprocess.Popen([program, "serve", folder], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                      text=True, env={**os.environ, "GODEBUG": debug})
        built = self.order(engine=engine, rows=rows)
        self.name = f"ours {engine} ({built['set']})"
        self.build, self.wall, self.open = built["cpu"], built["wall"], built["open"]

    def order(self, **order):
        self.child.stdin.write(json.dumps(order) + "\n")
        self.child.stdin.flush()
        return json.loads(self.child.stdout.readline())

    def points(self, queries, k):
        found = self.order(k=k)
        yield "", found["rows"], found["cpu"]


class Peer:
    """A library: one(query, k) returns rows, at(ef) sets the width of a walk."""

    def __init__(self, name, make, efs=EFS):
        self.name, self.efs = name, efs
        cpu, wall = time.process_time(), time.time()
        self.one, self.at = make()
        self.build, self.wall = time.process_time() - cpu, time.time() - wall

    def points(self, queries, k):
        for ef in [ef for ef in self.efs if ef >= k]:
            self.at(ef)
            start = time.process_time()
            found = [self.one(q, k) for q in queries]
            yield f"ef {ef}", found, time.process_time() - start


def make_hnswlib(rows):
    index = hnswlib.Index("ip", DIMS)
    index.init_index(len(rows), M=16, ef_construction=200)
    index.add_items(rows, num_threads=os.cpu_count())
    return lambda q, k: index.knn_query(q, k, num_threads=1)[0][0], index.set_ef


def make_usearch(rows):
    index = Index(ndim=DIMS, metric="ip", dtype="f32", connectivity=16, expansion_add=200)
    index.add(np.arange(len(rows)), rows, threads=os.cpu_count())
    return lambda q, k: index.search(q, k, threads=1).keys, lambda ef: setattr(index, "expansion_search", ef)


def make_faiss(rows, graph):
    index = faiss.IndexHNSWFlat(DIMS, 16, faiss.METRIC_INNER_PRODUCT) if graph else faiss.IndexFlatIP(DIMS)
    if graph:
        index.hnsw.efConstruction = 200
    faiss.omp_set_num_threads(os.cpu_count())
    index.add(rows)
    faiss.omp_set_num_threads(1)
    at = (lambda ef: setattr(index.hnsw, "efSearch", ef)) if graph else lambda ef: None
    return lambda q, k: index.search(q[None], k)[1][0], at


def truth(rows, queries):
    scores = queries.astype(np.float64) @ rows.T.astype(np.float64)
    return np.argpartition(-scores, (10, 100), axis=1)[:, :100]


def measure(contenders, queries, best, k, rounds):
    """Returns {name: [(recall, microseconds, setting)]}."""
    found = {}
    for _ in range(rounds):
        for c in contenders:
            for setting, rows, seconds in c.points(queries, k):
                recall = np.mean([len(set(r) & set(t)) / k for r, t in zip(rows, best[:, :k].tolist())])
                key = (c.name, setting)
                micros = seconds / len(queries) * 1e6
                found[key] = (float(recall), min(micros, found.get(key, (0, micros))[1]))
    table = {}
    for (name, setting), (recall, micros) in found.items():
        table.setdefault(name, []).append((recall, micros, setting))
    return table


def at_recall(points, recall):
    """The time at a recall, between the two points next to it; None beyond them."""
    points = sorted(points)
    for (low, before, _), (high, after, _) in zip(points, points[1:]):
        if low < recall <= high:
            return before + (after - before) * (recall - low) / (high - low)
    return points[0][1] if points and recall <= points[0][0] else None


def report(count, k, table):
    print(f"\n{count:,} rows, k {k}\n  recall  us/query")
    for name, points in table.items():
        for recall, micros, setting in points:
            print(f"  {recall:.4f}  {micros:8.0f}  {name} {setting}")
    for name in [n for n in table if n.startswith("ours")]:
        recall, micros, _ = table[name][0]
        if "hnsw" in name:
            wanted = [(peer, recall, "at the same recall") for peer in table if "HNSW" in peer]
        else:
            wanted = [("HNSW hnswlib", 0.996, "at recall .996"), ("faiss Flat", 0, "")]
        for peer, at, what in wanted:
            other = at_recall(table[peer], at)
            if other:
                print(f"  {name}: {micros / other:.3f} x {peer} {what}")


def compare(count, rows, queries, args, program):
    rows = rows[:count]
    contenders = [
        Peer("HNSW hnswlib", lambda: make_hnswlib(rows)),
        Ours(program, args.dir, "hnsw", count),
        Ours(program, args.dir, "exact", count),
        Ours(program, args.dir, "exact", count, "cpu.avx512f=off"),
        Peer("faiss Flat", lambda: make_faiss(rows, False), efs=(600,)),
    ]
    if count == min(args.rows):
        contenders += [Peer("HNSW faiss", lambda: make_faiss(rows, True)), Peer("HNSW usearch", lambda: make_usearch(rows))]
    print(f"\n{count:,} rows: CPU s of the build, s with {os.cpu_count()} cores")
    for c in contenders:
        if c.build > 0.5:
            print(f"  {c.build:7.2f}  {c.wall:7.2f}  {c.build / contenders[0].build:.2f} x hnswlib  {c.name}")
        if isinstance(c, Ours):
            print(f"  opened in {c.open * 1e3:.0f} ms of CPU  {c.name}")
    best = truth(rows, queries)
    for k in (10, 100):
        report(count, k, measure(contenders, queries, best, k, args.rounds))
    for c in contenders:
        if isinstance(c, Ours):
            c.child.communicate()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--dir", default=os.environ.get("RAGPROXY_BENCH_DIR"))
    parser.add_argument("--rows", type=int, nargs="+", default=[24_000, 40_000, 100_000])
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args()
    if not args.dir:
        parser.error("--dir or RAGPROXY_BENCH_DIR says where the vectors are")
    folder, here = pathlib.Path(args.dir), pathlib.Path(__file__).parent
    with tempfile.TemporaryDirectory() as tmp:
        program = os.path.join(tmp, "bench")
        subprocess.run(["go", "build", "-o", program, "."], cwd=here, check=True)
        if not (folder / "rows.f32").exists():
            folder.mkdir(parents=True, exist_ok=True)
            subprocess.run([program, "corpus", folder.resolve()], cwd=here, check=True)
        rows = np.fromfile(folder / "rows.f32", np.float32).reshape(-1, DIMS)
        queries = np.fromfile(folder / "queries.f32", np.float32).reshape(-1, DIMS)
        cpu = next((line.split(": ")[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name")), "")
        print(f"{cpu}, {os.cpu_count()} cores, {platform.platform()}, Python {platform.python_version()}")
        print(", ".join(f"{p} {version(p)}" for p in ("hnswlib", "faiss-cpu", "usearch", "numpy")))
        for count in args.rows:
            compare(count, rows, queries, args, program)


if __name__ == "__main__":
    main()
