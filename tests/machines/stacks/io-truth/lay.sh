# shellcheck shell=bash
# A disk for one volume, one that is a volume as it is, and one that volumes share. Nothing but what is asked for is written:
# no journal for minutes, and no time of access.
mount_new ext4 "$(disk own)" /srv/own
partition "$(disk shared)" +
mount_new ext4 "$(part "$(disk shared)" 1)" /srv/shared
mount -o remount,noatime,commit=600 /srv/own
mount -o remount,noatime,commit=600 /srv/shared
mkdir /srv/shared/one /srv/shared/two
