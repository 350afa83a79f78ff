# shellcheck shell=bash
# As installers lay it: one encrypted partition, a volume group in it.
disk=$(disk disk)

partition "$disk" 128M +
mount_new ext4 "$(part "$disk" 1)" /srv/boot
encrypt "$(part "$disk" 2)" vault
vgcreate inner /dev/mapper/vault
lvcreate --yes --name data --size 400M inner
lvcreate --yes --name swap --size 64M inner
mount_new xfs /dev/inner/data /srv/data
mkswap -q /dev/inner/swap
swapon /dev/inner/swap
