#!/usr/bin/env bash
# Installs the pinned Open WebUI, about 630 MB, for the test into DIR:
#
#   bash internal/openwebui/install.sh DIR
#
# DIR/venv is made anew where it is missing or of other versions than
# requirements.txt pins; otherwise nothing is done. It needs Python 3.11 or
# 3.12 (PYTHON=...).
set -euo pipefail

[ $# = 1 ] || { echo "usage: $0 DIR" >&2; exit 2; }
from=$(cd "$(dirname "$0")" && pwd)
mkdir -p "$1"
dir=$(cd "$1" && pwd)

fits() { "$1" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 13))' 2>/dev/null; }
python=
for name in ${PYTHON:-python3 python3.12 python3.11}; do
  if fits "$name"; then python=$name; break; fi
done
[ -n "$python" ] || { echo "install.sh: Open WebUI needs Python 3.11 or 3.12 (PYTHON=...)" >&2; exit 1; }

want=$("$python" --version; cat "$from/requirements.txt")
if [ -f "$dir/installed" ] && [ "$want" = "$(cat "$dir/installed")" ]; then
  echo "Open WebUI is installed in $dir"
  exit 0
fi
rm -rf "$dir/installed" "$dir/venv"

"$python" -m venv "$dir/venv"
# --no-deps: the wheel's own list asks for the local models too.
"$dir/venv/bin/python" -m pip install --quiet --disable-pip-version-check --no-deps -r "$from/requirements.txt"

printf '%s\n' "$want" > "$dir/installed"
echo "Open WebUI is installed in $dir"
