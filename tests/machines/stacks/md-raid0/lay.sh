# shellcheck shell=bash
# Stripes over two partitions, and LVM on them.
left=$(disk left) right=$(disk right)

partition "$left" +
partition "$right" +
mdadm --quiet --create /dev/md0 --run --level=0 --raid-devices=2 "$(part "$left" 1)" "$(part "$right" 1)"
settle
vgcreate striped /dev/md0
lvcreate --yes --name data --size 500M striped
mount_new xfs /dev/striped/data /srv/data
