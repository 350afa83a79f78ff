#!/bin/sh
# Measures both roles on a cluster of 100 nodes and 5,000 pods, claims and volumes behind a real API server, prints a table,
# and fails where a bound is missed. The first run builds the API server: see tests/api-server/build.sh.
#
#   tests/cluster-scale.sh                   as users build it
#   PROFILE=dist tests/cluster-scale.sh      as it is shipped
#   TIME_SLACK=4 tests/cluster-scale.sh      on a machine that does other things meanwhile: times may be four times as long
set -eu
cd "$(dirname "$0")/.."
profile=${PROFILE:-release}
cargo build --quiet --profile "$profile"
MEASURED_PROGRAM=${CARGO_TARGET_DIR:-$PWD/target}/$profile/scope-storage-probe
export MEASURED_PROGRAM
exec cargo test --quiet --test cluster_scale -- --ignored --nocapture
