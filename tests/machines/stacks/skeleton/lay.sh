# shellcheck shell=bash
# A little of everything: partitions, LVM over two disks, a mirror, encryption, swap, a loop device, and mounts whose
# names are not simple.
fast=$(disk fast) left=$(disk left) right=$(disk right) third=$(disk third) plain=$(disk plain)

# The NVMe disk: a mounted partition, an encrypted one, swap, and one without content.
partition "$fast" 256M 256M 128M +
mount_new ext4 "$(part "$fast" 1)" "/srv/two words" -L 'data é'
encrypt "$(part "$fast" 2)" secret
mount_new ext4 /dev/mapper/secret /srv/secret
mkswap -q -L pages "$(part "$fast" 3)"
swapon "$(part "$fast" 3)"

# Two SCSI disks: half of each in a mirror, the other half in one logical volume over both.
partition "$left" 400M +
partition "$right" 400M +
mirror /dev/md0 "$(part "$left" 1)" "$(part "$right" 1)"
mount_new xfs /dev/md0 /srv/mirror -L mirror
vgcreate storage "$(part "$left" 2)" "$(part "$right" 2)"
lvcreate --yes --name long --extents 100%FREE storage
settle
mount_new ext4 /dev/storage/long /srv/long

# A file system on a whole disk, a folder of it mounted once more, and a loop device on a file in it.
mount_new ext4 "$plain" /srv/plain
mkdir /srv/plain/folder /srv/bound
mount --bind /srv/plain/folder /srv/bound
put 64M /srv/plain/image
modprobe loop
mount_new ext4 "$(losetup --show --find /srv/plain/image)" /srv/loop

# The third SCSI disk stays as it came.
blockdev --getsize64 "$third"
