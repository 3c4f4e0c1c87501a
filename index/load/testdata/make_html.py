"""Writes html_class.jsonl.gz: pages and the text that bs4 takes from them by class.

    pip install -r requirements.txt && python make_html.py [OUT [PAGES [SEED]]]

The pages are those in html/ and PAGES more put together from their pieces. The
expected text is that of langchain's WebBaseLoader with parse_only and get_text().
Python's html.parser differs by version where markup is broken (written with 3.11).
"""

import gzip
import json
import pathlib
import random
import re
import sys

from bs4 import BeautifulSoup, SoupStrainer

CLASSES = ("post-content", "post-title", "post-header")
HERE = pathlib.Path(__file__).parent
ODDS = [
    "<div class=post-content>", '<p class="post-title">', '<section class="post-header x">', "<div>", "</div>", "</p>", "<pre>", "</pre>",
    "<br>", "</br>", "<br/>", "<hr class=post-title>", "<script>", "</script>", "<style>", "</style>", "<textarea>", "</textarea>", "<template>", "</template>",
    "<ruby>", "<rt>", "</rt>", "<li>", "</li>", "<b>", "</b>", "<i/>", " ", "\n", "\t \n", "\r\n", "\u00a0", "&nbsp;", "&#32;", "&#10;", "&lt;b&gt;", "&notit;", "&x", " & ",
    "<!-- c -->", "<![CDATA[ <x> &amp; ]]>", "<a href=/x/>", "<a href='/x/'/>", "word", "two words", "漢字", "<", " < ", "a<b", ">", "<title>", "</title>", "<noscript>", "</noscript>",
    "<svg>", "</svg>", "<x-y a=1 b='2' class=\"post-content\">", "</x-y>", "<!DOCTYPE html>", "<P>", "</P >", "<iframe>", "</iframe>", "<select><option>", "<table><tr><td>",
]


def text_of(page):
    soup = BeautifulSoup(page, "html.parser", parse_only=SoupStrainer(class_=CLASSES))
    return soup.get_text(), next(soup.children, None) is not None


def mutated(rng, pages):
    """Pieces of a page, some of them repeated, moved, left out or put in."""
    pieces = re.findall(r"<[^<>]*>|[^<>\s]+|\s+", rng.choice(pages))
    start = rng.randrange(len(pieces))
    pieces = pieces[start : start + rng.randrange(10, 120)]
    for _ in range(rng.randrange(1, 30)):
        at = rng.randrange(len(pieces) + 1)
        if rng.random() < 0.3:
            del pieces[at : at + rng.randrange(1, 4)]
        else:
            pieces.insert(at, rng.choice(ODDS))
    if rng.random() < 0.7:
        pieces.insert(0, "<div class='post-content'>")
    return "".join(pieces) + " end\n<hr>\n"


def main(out="html_class.jsonl.gz", count="100", seed="11"):
    pages = {}
    for path in sorted((HERE / "html").glob("*.html")):
        pages[path.name] = path.read_bytes().decode()
    originals = [pages["article.html"], pages["odd.html"].split("&#x41;")[0] + pages["odd.html"].split("y\n")[1]]
    rng = random.Random(int(seed))
    for i in range(int(count)):
        pages[f"mutated-{i}"] = mutated(rng, originals)
    with open(out, "wb") as raw, gzip.GzipFile(fileobj=raw, mode="wb", mtime=0, filename="") as lines:
        for name, page in pages.items():
            text, found = text_of(page)
            case = {"name": name, "page": page, "text": text, "found": found}
            lines.write(json.dumps(case, ensure_ascii=False).encode() + b"\n")


main(*sys.argv[1:])
