# shellcheck shell=bash
# Partition tables of both kinds.
small=$(disk small) large=$(disk large) digit=$(disk digit)

# MBR: two primary partitions, then logical ones in an extended one, which itself counts as a device of 1 KiB.
sfdisk --quiet --color=never "$small" <<'TABLE'
label: dos
1: size=200M, type=83
2: size=100M, type=82
3: size=600M, type=5
5: size=200M, type=83
6: type=83
TABLE
settle
mount_new ext4 "$(part "$small" 1)" /srv/primary
mount_new ext4 "$(part "$small" 5)" /srv/logical

partition "$large" 300M +
mount_new ext4 "$(part "$large" 2)" /srv/large -L 'large blocks'

partition "$digit" +
mount_new xfs "$(part "$digit" 1)" /srv/digit
