# shellcheck shell=bash
# A thin pool whose data lies on both disks, and two thin volumes that promise more than there is; one is a snapshot.
left=$(disk left) right=$(disk right)

vgcreate thin "$left" "$right"
lvcreate --yes --type thin-pool --name pool --extents 220 --poolmetadatasize 4M thin
lvcreate --yes --thin --name first --virtualsize 2G thin/pool
mount_new ext4 /dev/thin/first /srv/first
put 8M /srv/first/file
lvcreate --yes --snapshot --name second --setactivationskip n thin/first
settle
mkdir /srv/second
mount -o ro,noload /dev/thin/second /srv/second
