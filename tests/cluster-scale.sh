#!/bin/sh
# Measures both roles on a cluster of 100 nodes and 5,000 pods, claims and volumes behind a real API server, prints a table,
# and fails where a bound is missed. What is measured is what is shipped. The first run builds the API server: see
# tests/api-server/build.sh.
#
#   tests/cluster-scale.sh
#   MEASURED_PROGRAM=$PWD/target/release/scope-storage-probe tests/cluster-scale.sh      another program
#   TIME_SLACK=4 tests/cluster-scale.sh      on a machine that does other things meanwhile: times may be four times as long
set -eu
cd "$(dirname "$0")/.."
MEASURED_PROGRAM=${MEASURED_PROGRAM:-$(realpath "$(image/binary.sh)")}
export MEASURED_PROGRAM
exec cargo test --quiet --test cluster_scale -- --ignored --nocapture --test-threads 1
