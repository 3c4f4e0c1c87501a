"""Writes recursive.jsonl.gz: texts and how langchain-text-splitters cuts them.

    pip install -r requirements.txt && python make_golden.py

A line is {"name", "text", "splits": [{"size", "overlap", "pieces"}]}, where pieces
are [start, length] in code points; that they hold the piece's text is asserted here.
"""

import gzip
import json
import random
import sys

from langchain_text_splitters import RecursiveCharacterTextSplitter

SIZES = [(1000, 200), (100, 20), (10, 0), (5, 4), (1, 0)]

PROSE = """Agents plan before they act. A plan is a list of smaller goals, and each goal may itself be a plan.

Memory comes in two kinds. Short-term memory is what fits into the context; long-term memory is a store that is searched. "Why not both?", asked one reviewer; the answer was that nobody reads ten thousand words twice.

    Indented lines keep their indentation only inside of a piece.

Third paragraph, with a sentence that is rather longer than the others so that it does not fit into a hundred characters, and then some.
"""
CODE = """package main

import "fmt"

// main prints a table.
func main() {
\tfor i := 0; i < 10; i++ {
\t\tfmt.Printf("%d\\t%d\\n", i, i*i)
\t}


\tif x := f(); x != nil {
\t\tpanic(x)
\t}
}
"""
CJK = "検索拡張生成は、外部の知識を使って回答を作る方法です。质量取决于检索。\n\n한국어 문장도 있습니다. 그리고 더.\n全角\u3000空白\u3000。" * 6
EMOJI = "family \U0001f468\u200d\U0001f469\u200d\U0001f467\u200d\U0001f466 flag \U0001f1ef\U0001f1f5 skin \U0001f44d\U0001f3fd e\u0301 \U0001f9d1\U0001f3ff\u200d\U0001f680\n" * 12

TEXTS = {
    "empty": "",
    "one": "x",
    "short": "shorter than any size, or nearly",
    "spaces": " \t\n\n \r\n\u3000\x85\x1c " * 20,
    "newlines": "\n" * 500,
    "three-newlines": "a\n\n\nb\n\n\n\nc\n\n\n\n\nd" * 30,
    "prose": PROSE * 5,
    "code": CODE * 6,
    "crlf": (PROSE + CODE).replace("\n", "\r\n") * 3,
    "tabs": "a\tb\t\tc\td\n" * 150,
    "long-word": "abcdefghij" * 350,
    "long-words": " ".join("w" * n for n in (3, 9, 10, 11, 99, 100, 101, 999, 1000, 1001, 1)),
    "same": "na " * 1000,
    "same-lines": "the same line\n" * 200,
    "cjk": CJK,
    "emoji": EMOJI,
    "python-spaces": "a\x1cb\x1d\x1ec\x1f d\x85e\xa0f\u1680g\u2000h\u2028i\u202fj\u205fk\u3000l\u200bm\ufeffn \x1c\n\x85o\x00p\n" * 12,
    "edges": "\n\n  leading and trailing  \n\n",
}


def generated(rng):
    """A text from a small alphabet, so that separators meet in every way."""
    alphabet = rng.choice(["ab \n", "a\n\n", "xyz  \n\t", "é漢\U0001f600 \n", "ab\u3000\x1c\x85 \n", "a ", "a\r\n\n "])
    runs = [rng.choice(alphabet) * rng.choice([1, 1, 1, 2, 3, 12, 120]) for _ in range(rng.randrange(1, 40))]
    return "".join(runs)


def pieces(text, size, overlap):
    splitter = RecursiveCharacterTextSplitter(chunk_size=size, chunk_overlap=overlap, add_start_index=True)
    found = []
    for d in splitter.create_documents([text]):
        start, length = d.metadata["start_index"], len(d.page_content)
        assert start >= 0 and text[start : start + length] == d.page_content
        found.append([start, length])
    return found


def main(path):
    rng = random.Random(7)
    cases = [(name, text, SIZES if len(text) < 6000 else SIZES[:2]) for name, text in TEXTS.items()]
    for i in range(400):
        size = rng.choice([2, 3, 7, 10, 30, 100])
        cases.append((f"generated-{i}", generated(rng), [(size, rng.randrange(size))]))
    with open(path, "wb") as raw, gzip.GzipFile(fileobj=raw, mode="wb", mtime=0, filename="") as out:
        for name, text, sizes in cases:
            splits = [{"size": s, "overlap": o, "pieces": pieces(text, s, o)} for s, o in sizes]
            line = json.dumps({"name": name, "text": text, "splits": splits}, ensure_ascii=False, separators=(",", ":"))
            out.write(line.encode() + b"\n")


main(sys.argv[1] if len(sys.argv) > 1 else "recursive.jsonl.gz")
