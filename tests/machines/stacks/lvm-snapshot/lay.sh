# shellcheck shell=bash
# A logical volume with a classic snapshot: what changes is copied to another disk.
left=$(disk left) right=$(disk right)

vgcreate storage "$left" "$right"
lvcreate --yes --name data --size 320M storage "$left"
mount_new xfs /dev/storage/data /srv/data
lvcreate --yes --snapshot --name before --size 100M storage/data "$right"
settle
put 4M /srv/data/file
mkdir /srv/before
mount -o ro,nouuid,norecovery /dev/storage/before /srv/before
