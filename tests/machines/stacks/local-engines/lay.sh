# shellcheck shell=bash
# What a node has for OpenEBS: a volume group over two disks with a logical volume that runs over both, as LVM LocalPV makes it, and a
# filesystem on a disk of its own for the folders of LocalPV in hostpath mode. One disk waits.
vgcreate storage "$(disk left)" "$(disk right)"
lvcreate --yes --name pvc-logical --extents 200 storage "$(disk left)" "$(disk right)"
settle
mkfs.ext4 -q -E lazy_itable_init=1 /dev/storage/pvc-logical
mount_new ext4 "$(disk folders)" /var/openebs/local
