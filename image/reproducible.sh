#!/usr/bin/env bash
# Builds this commit's image a second time, of a fresh clone in another folder, and compares the digests. Takes as long as two
# builds that optimise everything; not a part of every run.
set -euo pipefail
cd "$(dirname "$0")/.."

first=$(image/build.sh)
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
git clone -q . "$folder/elsewhere"
second=$(cd "$folder/elsewhere" && env -u CARGO_TARGET_DIR image/build.sh)
[ "$first" = "$second" ] || {
    echo "image/reproducible.sh: $first here, $second elsewhere" >&2
    exit 1
}
echo "$first twice"
