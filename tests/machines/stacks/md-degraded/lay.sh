# shellcheck shell=bash
# A mirror of which one half has failed but is still attached, and one that was started with a half missing.
left=$(disk left) right=$(disk right) third=$(disk third)

mirror /dev/md0 "$left" "$right"
mount_new ext4 /dev/md0 /srv/half
mdadm --quiet /dev/md0 --fail "$right"
mirror /dev/md1 "$third" missing
mount_new ext4 /dev/md1 /srv/lonely
