# shellcheck shell=bash
# LUKS on a partition and on a whole disk, and one that stays locked.
disk=$(disk disk) whole=$(disk whole)

partition "$disk" 200M +
encrypt "$(part "$disk" 1)" secret
mount_new ext4 /dev/mapper/secret /srv/secret
encrypt "$(part "$disk" 2)" locked
cryptsetup close locked

encrypt "$whole" luks-whole
mount_new ext4 /dev/mapper/luks-whole /srv/whole
