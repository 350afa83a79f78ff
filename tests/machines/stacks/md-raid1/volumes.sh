# shellcheck shell=bash
# A mirror, a partition of a mirror, and one raw.
claim pvc-mirror ext4 /dev/md0 1 2
local_device local-part 1 /dev/md1p2 ext4
raw_block raw-part 2 /dev/md1p1
