# shellcheck shell=bash
# A volume over two disks, a striped one, a folder, and a logical volume as it is.
lvcreate --yes --name raw --size 64M --stripes 2 storage
settle
claim pvc-long ext4 /dev/storage/long 1 2
claim pvc-striped ext4 /dev/mapper/storage-striped 1
mkdir /srv/claims/one /srv/claims/two
local_volume local-one 1 /srv/claims/one
local_volume local-two 2 /srv/claims/two -o ro
raw_block raw-striped 2 /dev/storage/raw
# LVM's own RAID, whose logical volume lies on others for data and for what is written about them.
modprobe dm_raid
lvcreate --yes --type raid1 --mirrors 1 --nosync --name mirrored --size 32M storage
settle
mount_new ext4 /dev/storage/mirrored /srv/mirrored
claim pvc-mirrored ext4 /dev/storage/mirrored 2
