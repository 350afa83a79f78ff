#!/usr/bin/env bash
# Measures what is shipped, and prints one Markdown document: the node role beside node_exporter, the cluster role in clusters of
# several sizes, how a change finds its way into the map, and the sizes of program and image. Fails at its end where a bound was missed
# or a part could not be measured, and says which. Run it as root, on a machine that does nothing else; it takes some twenty minutes
# once all is built. What it needs is installed and built by the parts that it runs.
#
#   tests/benchmark.sh >measured.md
set -euo pipefail
cd "$(dirname "$0")/.."

log=$(mktemp)
trap 'rm -f "$log"' EXIT
failed=()

# Built before anything is measured.
MEASURED_PROGRAM=$(realpath "$(image/binary.sh)")
export MEASURED_PROGRAM CLUSTER_SIZES=100,1000,5000 CARGO_TERM_COLOR=never
cargo bench --quiet --no-run --bench beside_node_exporter --bench engines >&2
cargo test --quiet --no-run --test cluster_scale >&2

# Only the tables of what cargo and its harnesses print, with an empty line before each.
tables() {
    awk '/^\||^Each cell/ { if (!inside) print ""; inside = 1; print; fflush(); next } { inside = 0 }'
}

# The medians of a benchmark's tree.
medians() {
    printf '\n| | median |\n|---|---|\n'
    awk -F '│' '/^(├|╰)─ / { name = $1; sub(/^(├|╰)─ /, "", name); sub(/ .*/, "", name); gsub("_", " ", name)
        gsub(/^ +| +$/, "", $3); print "| " name " | " $3 " |"; shown = 1 }
        END { exit !shown }'
}

# What an image's builder says of its size.
sizes() {
    local image
    # Until it has ended.
    cat >/dev/null
    image=$(sed -n 's/.*, \([0-9]*\) bytes compressed$/\1/p' "$log")
    [ -n "$image" ] || return 1
    printf '\n| | bytes | at most |\n|---|---|---|\n'
    printf '| program | %s | |\n| image, compressed | %s | 5000000 |\n' "$(stat --format=%s "$MEASURED_PROGRAM")" "$image"
}

# A part: its title, what makes a table of the command's output, and the command.
part() {
    local title=$1 shown=$2
    shift 2
    echo "tests/benchmark.sh: $title ($(date +%T))" >&2
    printf '\n## %s\n\n```sh\n%s\n```\n' "$title" "${*/"$MEASURED_PROGRAM"/"\$(image/binary.sh)"}"
    if ! { "$@" 2>"$log" | "$shown"; }; then
        failed+=("$title")
        tail -n 20 "$log" >&2
    fi
}

cat <<END
# Measured $(date --utc +%F)

| | |
|---|---|
| command | \`tests/benchmark.sh\` |
| commit | $(git describe --always --dirty --abbrev=12) |
| processor | $(nproc) × $(sed -n 's/^model name[[:space:]]*: //p' /proc/cpuinfo | head -1) |
| memory | $(awk '/^MemTotal/ { printf "%.0f GB", $2 * 1024 / 1e9 }' /proc/meminfo) |
| kernel | $(uname --kernel-release) |
| distribution | $(. /etc/os-release && echo "$PRETTY_NAME") |
| load at the start (1, 5, 15 minutes) | $(cut -d ' ' -f 1-3 /proc/loadavg) |
END

beside=(tests/beside-node-exporter.sh -- --binary "$MEASURED_PROGRAM")
part 'Node role beside node_exporter' tables "${beside[@]}" --scrapes 30 --machines 2,100,1000
# node_exporter shows no volumes: there is nothing to have a share of.
part 'Node role with 200 volumes, beside node_exporter without' tables "${beside[@]}" --scrapes 30 --machines 2+200,100+200,1000+200 \
    --most 10 --most-memory 1
part 'Reports to Scope, of a node with 110 pods' tables "${beside[@]}" --reports --machines 2+200
part 'Instructions of a scrape' tables "${beside[@]}" --instructions --machines 2,100,100+200
part 'Cluster role' tables tests/cluster-scale.sh
part 'A change finds its way into the map' medians cargo bench --quiet --bench engines
part 'Size' sizes image/build.sh

if [ ${#failed[@]} -gt 0 ]; then
    printf -v missed '%s; ' "${failed[@]}"
    echo "tests/benchmark.sh: bounds missed or not measured: ${missed%; }" >&2
    exit 1
fi
