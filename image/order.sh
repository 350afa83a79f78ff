#!/bin/sh
# Writes image/order.txt: the functions of the shipped program that run while a claim lives its life under a real API server, and
# while Scope and Prometheus ask about this machine. Run it as root after large changes; it takes some ten minutes.
set -eu
cd "$(dirname "$0")/.."
tests/packages.sh install valgrind:valgrind curl:curl

program=$(realpath "$(STORAGE_PROBE_NAMES=1 image/binary.sh)")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cat >"$work/program" <<EOF
#!/bin/sh
exec valgrind --quiet --tool=callgrind --demangle=no --callgrind-out-file=$work/%p.calls $program "\$@"
EOF
chmod +x "$work/program"

# Under valgrind all takes some fifty times as long.
TESTED_PROGRAM=$work/program TIME_SLACK=30 cargo test --quiet --test cluster -- --ignored a_pods_storage_is_followed

"$work/program" serve --plugin-dir "$work/plugins" --listen 127.0.0.1:9754 2>"$work/log" &
server=$!
until grep -q 'answering Prometheus' "$work/log"; do sleep 1; done
for time in 1 2 3; do
    echo "question $time"
    curl --silent --fail --output /dev/null 127.0.0.1:9754/metrics
    curl --silent --fail --output /dev/null --compressed 127.0.0.1:9754/metrics
    curl --silent --fail --output /dev/null 127.0.0.1:9754/
    curl --silent --fail --output /dev/null --unix-socket "$work/plugins/storage/storage.sock" http://plugin/report
done
kill "$server"
wait "$server"

# What runs in all processes comes first, and what runs in one comes last.
for calls in "$work"/*.calls; do
    grep --text --only-matching --extended-regexp '^c?fn=\([0-9]+\) .*' "$calls" |
        sed -E "s/^c?fn=\([0-9]+\) //; s/'[0-9]+$//" |
        grep --invert-match -E '^0x|below main' | LC_ALL=C sort -u
done | LC_ALL=C sort | uniq -c | LC_ALL=C sort -k1,1nr -k2 | awk '{ print $2 }' >image/order.txt
wc -l image/order.txt
