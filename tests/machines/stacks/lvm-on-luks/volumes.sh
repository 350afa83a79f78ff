# shellcheck shell=bash
# A logical volume in an encrypted partition, mounted and raw.
lvcreate --yes --name raw --size 32M inner
settle
claim pvc-data xfs /dev/inner/data 1
raw_block raw-inner 1 /dev/inner/raw
local_volume local-boot 2 /srv/boot
