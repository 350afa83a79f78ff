#!/bin/sh
# Runs both roles of the program for some minutes beside a real API server (tests/api-server/build.sh): 50 changes of its objects a
# second, volumes that are mounted and unmounted, loop devices that come and go, a disk that is written to. Four probes of Scope's ask
# both each second, four servers of Prometheus five times a second. Prints a table, and fails where an answer was late or wrong, or memory
# or open files grew: docs/faults.md tells more. Run it as root.
#
#   tests/soak.sh [MINUTES, default 2]
#   MEASURED_PROGRAM=$PWD/target/release/scope-storage-probe tests/soak.sh 30      another program than the one built for tests
#   TIME_SLACK=4 tests/soak.sh      on a machine that does other things meanwhile: answers may take four times as long
set -eu
cd "$(dirname "$0")/.."
export SOAK_MINUTES="${1:-2}"
cargo test --quiet --test soak --no-run
# Mounts and processes of its own, all of which end with it, however it ends.
exec unshare --mount --pid --fork --kill-child --mount-proc cargo test --quiet --test soak -- --ignored --nocapture
