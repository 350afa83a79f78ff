# shellcheck shell=bash
# Two disks that are one device to the bus, and one beside them.
first=$(disk first) second=$(disk second) other=$(disk other)

mount_new ext4 "$first" /srv/first
partition "$second" 100M +
mount_new ext4 "$(part "$second" 2)" /srv/second
mount_new ext4 "$other" /srv/other
