# shellcheck shell=bash
# A disk is pulled and another takes its name and number; then a disk is pulled with its file system still mounted.
first=$(disk first) second=$(disk second) stays=$(disk stays)
where() {
    basename "$(readlink -f "/sys/block/$(basename "$1")/device")"
}
gone() {
    ! [ -e "/sys/block/$(basename "$1")" ]
}
second_at=$(where "$second")
stays_at=$(where "$stays")

serve
put 16M "$(globalmount pvc-first)/file"
scrape first 2
sleep 1
put 16M "$(globalmount pvc-first)/file"
ask_report first 3
note first "$(basename "$first")" SCSI-FIRST-17

# As the kubelet takes a volume from a pod, and a driver from the node.
umount "$kubelet/pods/$(pod 1)/volumes/kubernetes.io~csi/pvc-first/mount" "$(globalmount pvc-first)"
rm -r "${kubelet:?}/pods/$(pod 1)" "$(dirname "$(globalmount pvc-first)")"
echo 1 >"/sys/block/$(basename "$second")/device/delete"
echo 1 >"/sys/block/$(basename "$first")/device/delete"
await gone "$first"
await gone "$second"
note pulled-at "$(date -u +%FT%T)"
scrape pulled
ask_report pulled
# Host, channel, target, logical unit.
IFS=: read -r host rest <<<"$second_at"
echo "${rest//:/ }" >"/sys/class/scsi_host/host$host/scan"
await disk second
settle
note second "$(basename "$(disk second)")" SCSI-SECOND-17
claim pvc-second ext4 "$(disk second)" 1
scrape second
put 2M "$(globalmount pvc-second)/file"
ask_report second 5
scrape second 2

# Without a word.
echo 1 >"/sys/block/$(basename "$stays")/device/delete"
await gone "$stays"
scrape surprise 3
ask_report surprise 3
IFS=: read -r host rest <<<"$stays_at"
echo "${rest//:/ }" >"/sys/class/scsi_host/host$host/scan"
await disk stays
settle
note stays "$(basename "$(disk stays)")" SCSI-STAYS-17
scrape back 2
ask_report back
footprint end
stop_serving
