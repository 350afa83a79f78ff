#!/bin/sh
# Every query of the dashboards against a real Prometheus. Run it as root; what is missing is installed.
set -eu
cd "$(dirname "$0")/.."

missing=
for part in losetup:mount mkfs.ext4:e2fsprogs prometheus:prometheus; do
    command -v "${part%:*}" >/dev/null || missing="$missing ${part#*:}"
done
if [ -n "$missing" ]; then
    echo "installing:$missing"
    export DEBIAN_FRONTEND=noninteractive
    apt-get update -q
    # The names are words of their own.
    # shellcheck disable=SC2086
    apt-get install -y -q --no-install-recommends $missing
fi

exec cargo test "$@" --test dashboards -- --ignored
