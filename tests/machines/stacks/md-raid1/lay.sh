# shellcheck shell=bash
# A mirror of two partitions, and a partition on another mirror.
left=$(disk left) right=$(disk right)

partition "$left" 200M +
partition "$right" 200M +
mirror /dev/md0 "$(part "$left" 1)" "$(part "$right" 1)"
mount_new ext4 /dev/md0 /srv/mirror
mirror /dev/md1 "$(part "$left" 2)" "$(part "$right" 2)"
partition /dev/md1 100M +
mount_new ext4 /dev/md1p2 /srv/part-of-mirror
