#!/usr/bin/env bash
# Installs the pinned Python and Node clients for the tests into DIR:
#
#   bash internal/clienttest/install.sh DIR
#
# DIR/venv and DIR/node_modules are made anew where they are missing or of
# other versions than clients/ pins; otherwise nothing is done.
set -euo pipefail

[ $# = 1 ] || { echo "usage: $0 DIR" >&2; exit 2; }
from=$(cd "$(dirname "$0")/clients" && pwd)
mkdir -p "$1"
dir=$(cd "$1" && pwd)
python=${PYTHON:-python3}

"$python" -c 'import sys; sys.exit(sys.version_info < (3, 10))' || { echo "install.sh: needs Python 3.10 or newer (PYTHON=...)" >&2; exit 1; }
node -e 'process.exit(parseInt(process.versions.node) < 20 ? 1 : 0)' || { echo "install.sh: needs Node 20 or newer" >&2; exit 1; }

want=$("$python" --version; node --version; cat "$from"/requirements.txt "$from"/package.json "$from"/package-lock.json)
if [ -f "$dir/installed" ] && [ "$want" = "$(cat "$dir/installed")" ]; then
  echo "clients are installed in $dir"
  exit 0
fi
rm -rf "$dir/installed" "$dir/venv" "$dir/node_modules"

"$python" -m venv "$dir/venv"
"$dir/venv/bin/python" -m pip install --quiet --disable-pip-version-check --no-deps -r "$from/requirements.txt"
"$dir/venv/bin/python" -m pip --disable-pip-version-check check

cp "$from/package.json" "$from/package-lock.json" "$from/.npmrc" "$dir/"
(cd "$dir" && npm ci --silent --no-audit --no-fund)

printf '%s\n' "$want" > "$dir/installed"
echo "clients are installed in $dir"
