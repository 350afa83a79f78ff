#!/bin/sh
# Asks the program for some minutes, by four probes each second and four servers of Prometheus five times a second, while a disk comes and
# goes; prints a table, and fails where an answer was late or wrong, or memory or open files grew. Run it as root: the disk is a loop device.
#
#   tests/soak.sh [MINUTES, default 2]
#   MEASURED_PROGRAM=$PWD/target/release/scope-storage-probe tests/soak.sh 60      another program than the one built for tests
#   TIME_SLACK=4 tests/soak.sh      on a machine that does other things meanwhile: answers may take four times as long
set -eu
cd "$(dirname "$0")/.."
export SOAK_MINUTES="${1:-2}"
exec cargo test --quiet --test soak -- --ignored --nocapture
