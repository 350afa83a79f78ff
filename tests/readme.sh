#!/usr/bin/env bash
# Runs every command of the README as it stands there: the lines of its `sh` blocks, in their order, in one shell each.
# `serve` goes on in the background while the others run, and is told to end at last. Run it as root.
set -euo pipefail
cd "$(dirname "$0")/.."

mapfile -t commands < <(awk '/^```sh$/ {inside = 1; next} /^```/ {inside = 0} inside' README.md)
[ "${#commands[@]}" -ge 6 ] || { echo "README.md has only ${#commands[@]} commands" >&2; exit 1; }

work=$(mktemp -d)
serving=
finish() {
    if [ -n "$serving" ]; then kill -TERM -- "-$serving" 2>/dev/null || true; fi
    rm -rf "$work"
}
trap finish EXIT

fail() {
    echo "README: $1" >&2
    cat "$work"/* >&2
    exit 1
}

for command in "${commands[@]}"; do
    echo "README: $command"
    case $command in
    *' serve')
        set -m
        bash -c "$command" >"$work/serve" 2>&1 &
        serving=$!
        set +m
        # The first build is part of the command; it has its own promise of two minutes on two cores.
        for _ in $(seq 600); do
            grep -q 'answering Prometheus' "$work/serve" && break
            kill -0 "$serving" 2>/dev/null || fail "serve ended"
            sleep 1
        done
        grep -q 'answering Scope on unix:' "$work/serve" || fail "serve does not say where it answers Scope"
        grep -q 'answering Prometheus' "$work/serve" || fail "serve does not say where it answers Prometheus"
        ;;
    'cargo test')
        # Run by whoever calls this, so that its outcome is seen by itself.
        ;;
    *)
        bash -c "$command" >"$work/answer" 2>"$work/errors" || fail "failed: $command"
        [ -s "$work/answer" ] || fail "no output: $command"
        case $command in
        *report*) python3 -c 'import json, sys; json.load(sys.stdin)["Plugins"][0]["id"]' <"$work/answer" || fail "no report" ;;
        *metrics*) grep -q '^storage_probe_disk_info{' "$work/answer" || fail "no disk on the page" ;;
        esac
        ;;
    esac
done

kill -TERM -- "-$serving"
wait "$serving" || fail "serve did not end well"
[ ! -e /var/run/scope/plugins/storage/storage.sock ] || fail "the socket was left behind"
serving=
echo "README: ${#commands[@]} commands did what they say"
