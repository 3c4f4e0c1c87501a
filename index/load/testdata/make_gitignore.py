"""Writes gitignore.jsonl.gz: trees with .gitignore files and what git ignores of them.

    python make_gitignore.py [OUT [TREES [SEED]]]     (needs git; written with 2.39)

A line is {"ignores": {folder: text}, "paths": [...], "ignored": [...]}; a folder's path
ends in a slash. The expected list is that of git check-ignore.
"""

import gzip
import json
import os
import pathlib
import random
import subprocess
import sys
import tempfile

PATHS = [
    "a", "b.md", "c.txt", "#d", "!e", "f g", "h ", "docs/a", "docs/b.md", "docs/build/x.md", "docs/build/y/z.md", "build", "src/build/a.md", "src/a/b/c.md",
    "src/a/b/d.txt", "src/b/c.md", "a1/a2/a3.md", "x[1].md", "x1.md", "x-.md", "back\\slash", "Upper.MD", "ü.md", "漢.txt", "star*.md", "deep/1/2/3/4.log", "deep/1/keep.log", "deep/k.log",
]
LINES = """
*.md|*.txt|!b.md|!*.md|/a|a/|docs|docs/|/docs/build|docs/build/|build|build/|/build|!build/|src/**/c.md|**/b|**/build/|src/**|/src/*|!/src/a|a/**/b|/**/c.md|deep/**/*.log
!keep.log|*.log|!deep/|# comment|\\#d|\\!e|#d|!e|f g|f\\ g|h |h\\ |h\\  |f*g|?.md|??.md|x[0-9].md|x\\[1\\].md|x[[]1].md|x[!0-9].md|x[^a-z]*|x[]-]*|[[:upper:]]*|[[:alpha:]].md
[a-c]*|[b|[|[]|\\|back\\\\slash|back*|star\\*.md|*|!*/|/*|!/docs|**|/**|***|a**|**a|d**s/a|/|//|!|  |src//a|./a|../a|/docs/../a|docs/*/x.md|*/b.md|*/*/*|[!a]|[z-a]|[a-]|x[\\]1]*|[[:nope:]]|docs/**/
*.[mM][dD]|ü.md|?.txt|src/[!a]/c.md|src[/]a|src?a|[.-0]*|Upper.md|a1/**/a3.md|a1/a2|!a1/a2/a3.md|a1/*|\t|a\t|docs/b.md |docs /|deep/1/2/|deep/*|!deep/1|deep/1/*|!deep/1/keep.log
""".strip("\n").replace("\n", "|").split("|")


def case(rng):
    folders = [""] + rng.sample(["docs", "src", "src/a", "deep", "deep/1"], rng.choice([0, 0, 1, 2]))
    ignores = {}
    for folder in folders:
        end = rng.choice(["\n", "\n", "\n", "\r\n"])
        ignores[folder] = end.join(rng.choices(LINES, k=rng.randrange(1, 6))) + rng.choice(["", end])
    if rng.random() < 0.05:
        ignores[""] = "\ufeff" + ignores[""]
    return ignores


def tree(root):
    found = []
    for folder, folders, files in os.walk(root):
        relative = os.path.relpath(folder, root)
        for name in folders + [f for f in files if f != ".gitignore"]:
            path = os.path.normpath(os.path.join(relative, name))
            found.append(path + "/" if name in folders else path)
        if ".git" in folders:
            folders.remove(".git")
            found.remove(".git/")
    return sorted(found)


def git(root, *args, **options):
    environment = {**os.environ, "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull}
    return subprocess.run(["git", "-C", root, *args], env=environment, capture_output=True, **options)


def main(out="gitignore.jsonl.gz", count="250", seed="3"):
    rng = random.Random(int(seed))
    with tempfile.TemporaryDirectory() as root, open(out, "wb") as raw, gzip.GzipFile(fileobj=raw, mode="wb", mtime=0, filename="") as lines:
        git(root, "init", "-q", check=True)
        for path in PATHS:
            file = pathlib.Path(root, path)
            file.parent.mkdir(parents=True, exist_ok=True)
            file.touch()
        paths = tree(root)
        cases = [{"": line + "\n"} for line in LINES] + [case(rng) for _ in range(int(count))]
        for ignores in cases:
            for folder, text in ignores.items():
                pathlib.Path(root, folder, ".gitignore").write_bytes(text.encode())
            asked = "\0".join(p.rstrip("/") for p in paths).encode()
            got = git(root, "check-ignore", "--no-index", "--stdin", "-z", input=asked).stdout.decode().split("\0")
            ignored = [p for p in paths if p.rstrip("/") in got]
            for folder in ignores:
                pathlib.Path(root, folder, ".gitignore").unlink()
            lines.write(json.dumps({"ignores": ignores, "paths": paths, "ignored": ignored}, ensure_ascii=False).encode() + b"\n")


main(*sys.argv[1:])
