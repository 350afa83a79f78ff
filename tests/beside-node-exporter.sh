#!/bin/sh
# Measures a scrape beside Debian's node_exporter, in one run, and fails where ours costs more than a third. Installs
# node_exporter where it is missing, without starting it as a service, and valgrind where instructions are counted. Run it as root.
#
#   tests/beside-node-exporter.sh
#   tests/beside-node-exporter.sh -- --instructions --machines 2,100      counted, which needs no quiet machine
set -eu
cd "$(dirname "$0")/.."

if ! command -v prometheus-node-exporter >/dev/null; then
    tests/packages.sh install prometheus-node-exporter:prometheus-node-exporter
    pkill -x prometheus-node-exporter || true
    pkill -x prometheus-node || true
fi
case " $* " in
*' --instructions '*) tests/packages.sh install valgrind:valgrind ;;
esac

exec cargo bench --bench beside_node_exporter "$@"
