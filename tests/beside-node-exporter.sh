#!/bin/sh
# Measures a scrape beside Debian's node_exporter, in one run, and fails where ours costs more than a third. Installs
# node_exporter where it is missing, without starting it as a service. Run it as root.
set -eu
cd "$(dirname "$0")/.."

if ! command -v prometheus-node-exporter >/dev/null; then
    export DEBIAN_FRONTEND=noninteractive
    apt-get update -q
    RUNLEVEL=1 apt-get install -y -q --no-install-recommends prometheus-node-exporter
    pkill -x prometheus-node-exporter || true
    pkill -x prometheus-node || true
fi

exec cargo bench --bench beside_node_exporter "$@"
