#!/bin/bash
# Measures all that docs/performance.md tells of, of what is shipped, and prints it as one document: sizes, the node role beside
# node_exporter, the cluster role in clusters of three sizes and with storage engines, and what a change costs. It takes a quarter of an
# hour on a machine that has built everything before. Fails where a bound is missed. Run it as root, on a machine that does nothing else.
#
#   tests/benchmark.sh > table.md
set -euo pipefail
cd "$(dirname "$0")/.."

image=$(image/build.sh 2>&1 >/dev/null | sed -n 's/^image.build.sh: .*, \([0-9]*\) bytes compressed$/\1/p')
program=$PWD/$(image/binary.sh)
failed=0

echo "Measured on $(date -I): $(nproc) processors ($(sed -n 's/^model name.*: //p' /proc/cpuinfo | head -1)), Linux $(uname -r), commit $(git rev-parse --short HEAD)."
echo
echo '| | bytes |'
echo '|---|---|'
echo "| the program | $(stat -c %s "$program") |"
echo "| the image, compressed | $image |"
echo
tests/beside-node-exporter.sh -- --binary "$program" --scrapes 30 || failed=1
MEASURED_PROGRAM=$program CLUSTER_SIZES=100,1000,5000 tests/cluster-scale.sh | grep '^|\|^$' || failed=1
echo
echo '```'
cargo bench --quiet --bench engines
echo '```'
exit "$failed"
