# shellcheck shell=bash
# On one disk behind two paths, and on a disk beside it; raw too.
claim pvc-first ext4 /dev/mapper/mpatha-part1 1 2
umount /srv/second
raw_block raw-second 1 /dev/mapper/mpatha-part2
local_volume local-single 2 /srv/single
