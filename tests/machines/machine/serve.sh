# shellcheck shell=bash
# Words of the stacks whose `live.sh` asks the running program again and again. What was said goes into /probe/out/live.
live=/probe/out/live

# serve [OPTION…]: starts the program, until it is ready.
serve() {
    mkdir -p "$live"
    /probe/scope-storage-probe serve --plugin-dir /run/plugins "$@" >"$live/serve.log" 2>&1 &
    server=$!
    await curl -s -f -o /dev/null http://127.0.0.1:9753/readyz
}

# The kernel is read anew where the last reading is older than this.
fresh() {
    sleep 0.3
}

# scrape NAME [NUMBER]: so many pages, each of a reading of its own; the last is kept. Each adds a line
# `NAME page STATUS SECONDS` to `requests`.
scrape() {
    local count
    for ((count = 0; count < ${2:-1}; count++)); do
        fresh
        curl -s --max-time 30 -o "$live/$1.metrics" -w "$1 page %{http_code} %{time_total}\n" \
            http://127.0.0.1:9753/metrics >>"$live/requests"
    done
}

# ask_report NAME [NUMBER]: the same with reports.
ask_report() {
    local count
    for ((count = 0; count < ${2:-1}; count++)); do
        fresh
        curl -s --max-time 30 --unix-socket /run/plugins/storage/storage.sock -o "$live/$1.report.json" \
            -w "$1 report %{http_code} %{time_total}\n" http://plugin/report >>"$live/requests"
    done
}

# footprint NAME: adds a line `NAME THREADS OPEN-FILES RESIDENT-KILOBYTES` to `footprints`.
footprint() {
    local files=(/proc/"$server"/fd/*)
    echo "$1 $(awk '/^Threads:/ { print $2 }' /proc/"$server"/status)" \
        "${#files[@]} $(awk '/^VmRSS:/ { print $2 }' /proc/"$server"/status)" >>"$live/footprints"
}

# note NAME VALUE…: a fact of the scenario, as `NAME VALUE…` in `notes`.
note() {
    echo "$*" >>"$live/notes"
}

# on_page NAME TEXT: whether a page that is made now has the text.
on_page() {
    scrape "$1"
    grep -q -F "$2" "$live/$1.metrics"
}

not_on_page() {
    ! on_page "$@"
}

# join_network: the machine's one network card, at the addresses of QEMU's user network, in which the host is 10.0.2.2.
join_network() {
    local card
    modprobe virtio_net
    settle
    card=$(basename "$(echo /sys/bus/virtio/drivers/virtio_net/virtio*/net/*)")
    ip addr add 10.0.2.15/24 dev "$card"
    ip link set "$card" up
}

# ask_cluster METHOD PATH [OBJECT]: one request to the API server of `run.sh --cluster`, as its administrator. Changes are merged.
ask_cluster() {
    local kind=application/json port
    [ "$1" != PATCH ] || kind=application/merge-patch+json
    port=$(cat /probe/cluster/port)
    curl -s -S --fail-with-body --max-time 30 -o /dev/null -X "$1" --cacert /probe/cluster/authority.crt \
        --connect-to "localhost:$port:10.0.2.2:$port" -H "Authorization: Bearer $(cat /probe/cluster/administrator)" \
        -H "Content-Type: $kind" ${3:+--data "$3"} "https://localhost:$port$2"
}

stop_serving() {
    kill "$server"
    wait "$server" || true
}
