# shellcheck shell=bash
source_of() {
    findmnt -n -v -o SOURCE "/srv/$1"
}
claim pvc-iscsi ext4 "$(source_of iscsi)" 1
claim pvc-nvme ext4 "$(source_of nvme)" 1
claim pvc-nbd ext4 /dev/nbd0 2
claim pvc-zram ext4 /dev/zram0 2
