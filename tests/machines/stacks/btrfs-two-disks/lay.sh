# shellcheck shell=bash
# One btrfs over two disks, its subvolumes mounted at places of their own.
left=$(disk left) right=$(disk right)

modprobe btrfs
mount_new btrfs "$left" /srv/top -L 'two disks' "$right"
btrfs subvolume create /srv/top/data
btrfs subvolume create /srv/top/logs
mkdir /srv/data /srv/logs
mount -o subvol=data "$left" /srv/data
mount -o subvol=logs "$right" /srv/logs
