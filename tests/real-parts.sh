#!/bin/sh
# Runs the tests that need real parts: loop devices, and Debian's Prometheus. Run it as root.
#
# What is missing is installed. Where that cannot be, the tests fail and name it; none is skipped.
# Arguments are passed on to cargo: tests/real-parts.sh --release
set -eu
cd "$(dirname "$0")/.."

tests/packages.sh install losetup:mount blkdiscard:util-linux setpriv:util-linux prometheus:prometheus promtool:prometheus

# What is measured, in release and on a quiet machine, is run by name: here it would be measured in a debug build.
exec cargo test "$@" --no-fail-fast --test kernel_io --test powerflex --test prometheus --test resources --test scope_client -- --ignored --show-output --skip measured --skip five_hundred_pools
