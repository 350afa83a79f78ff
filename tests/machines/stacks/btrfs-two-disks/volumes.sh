# shellcheck shell=bash
# A file system over two disks: one volume has it all, two have a subvolume each.
left=$(disk left) right=$(disk right)
stage pvc-data btrfs "$left" -o subvol=data
publish pvc-data 1
local_volume local-logs 2 /srv/logs
local_volume local-top 2 /srv/top -o ro
