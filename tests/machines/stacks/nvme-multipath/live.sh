# shellcheck shell=bash
# One of the two controllers is pulled; the disk goes on over the other.
head=$(basename "$(disk shared)")
controllers=("/sys/class/nvme-subsystem/$(basename "$(readlink -f "/sys/block/$head/device")")"/nvme[0-9])
one_is_left() {
    [ "$(find "/sys/block/$head/device/" -maxdepth 1 -name 'nvme[0-9]' | wc -l)" = 1 ]
}

serve
note head "$head" "${#controllers[@]}"
scrape whole
echo 1 >"${controllers[0]}/device/remove"
await one_is_left
scrape lost
stop_serving
