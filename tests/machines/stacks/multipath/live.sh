# shellcheck shell=bash
# A path is lost and comes back; then the disk beside it takes no requests for a moment.
lost=$(disk path-b) single=$(disk single)
state_of() {
    echo "/sys/block/$(basename "$1")/device/state"
}
# paths NAME: what multipathd says of each path: its disk, and the state that the kernel gives it.
paths() {
    multipathd show paths raw format '%d %o' >"$live/$1.paths"
}
# It looks at them every few seconds.
seen_as() {
    multipathd show paths raw format '%d %o' | grep -q -x "$(basename "$lost") $1"
}

sync
serve
note devices "$(basename "$(readlink -f /dev/mapper/mpatha)")" "$(basename "$lost")" "$(basename "$single")"
scrape whole
paths whole
echo offline >"$(state_of "$lost")"
scrape lost
ask_report lost
await seen_as offline
paths lost
echo running >"$(state_of "$lost")"
scrape back
await seen_as running
paths back
echo offline >"$(state_of "$single")"
scrape single
echo running >"$(state_of "$single")"
scrape end
stop_serving
