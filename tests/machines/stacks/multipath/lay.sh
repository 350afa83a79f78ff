# shellcheck shell=bash
# One disk that is reached over two paths, and a disk beside it that is not.
modprobe dm_multipath
cat >/etc/multipath.conf <<'CONFIGURATION'
defaults {
    user_friendly_names yes
    find_multipaths yes
}
CONFIGURATION
multipathd
await test -b /dev/mapper/mpatha
settle

partition /dev/mapper/mpatha 200M +
mount_new ext4 /dev/mapper/mpatha-part1 /srv/first
mount_new ext4 /dev/mapper/mpatha-part2 /srv/second
mount_new ext4 "$(disk single)" /srv/single
