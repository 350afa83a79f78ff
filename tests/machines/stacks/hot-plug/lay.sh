# shellcheck shell=bash
# Disks that are pulled while the program runs.
mount_new ext4 "$(disk first)" /srv/first
mount_new ext4 "$(disk second)" /srv/second
umount /srv/first /srv/second
mount_new ext4 "$(disk stays)" /srv/stays
