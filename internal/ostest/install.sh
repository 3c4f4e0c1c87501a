#!/usr/bin/env bash
# Puts OpenSearch with its k-NN plugin into DIR for the tests:
#
#   bash internal/ostest/install.sh DIR
#
# It comes from Maven Central, by internal/ostest/pom.xml. Where it is there
# already nothing is done. Needs Maven and a JDK, 17 or later. OPENSEARCH names
# another version: 3.2.0.0 needs a JDK of 21.
set -euo pipefail

[ $# = 1 ] || { echo "usage: $0 DIR" >&2; exit 2; }
want=${OPENSEARCH:-2.19.1.0}
here=$(cd "$(dirname "$0")" && pwd)
mkdir -p "$1"
dir=$(cd "$1" && pwd)

if [ -f "$dir/installed" ] && [ "$want" = "$(cat "$dir/installed")" ] && [ "$dir/Node.class" -nt "$here/Node.java" ]; then
  echo "OpenSearch is installed in $dir"
  exit 0
fi
rm -rf "$dir/installed" "$dir/server" "$dir/knn" "$dir/markers"
profile=; [ "${want%%.*}" -lt 3 ] || profile=-Popensearch-3
mvn -q -B -f "$here/pom.xml" $profile -Dopensearch="$want" -Ddir="$dir" package
javac -d "$dir" -cp "$dir/server/*" "$here/Node.java"
printf '%s\n' "$want" > "$dir/installed"
echo "OpenSearch is installed in $dir"
