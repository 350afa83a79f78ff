# shellcheck shell=bash
# A volume group over three disks: a logical volume that runs over two of them, one striped, and one whose names have
# dashes, which device mapper doubles.
left=$(disk left) right=$(disk right) third=$(disk third)

vgcreate storage "$left" "$right" "$third"
lvcreate --yes --name long --extents 200 storage "$left" "$right"
lvcreate --yes --name striped --size 64M --stripes 2 storage "$right" "$third"
lvcreate --yes --name for-claims --size 100M storage "$third"

mount_new ext4 /dev/storage/long /srv/long
mount_new ext4 /dev/storage/striped /srv/striped
mount_new ext4 /dev/storage/for-claims /srv/claims
