#!/bin/sh
# Every query of the dashboards against a real Prometheus. Run it as root; what is missing is installed.
set -eu
cd "$(dirname "$0")/.."

tests/packages.sh install losetup:mount mkfs.ext4:e2fsprogs prometheus:prometheus

exec cargo test "$@" --test dashboards -- --ignored
