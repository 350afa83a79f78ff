# shellcheck shell=bash
# On files: whole, a partition of one, a part of one, one that was deleted, one on a file system in memory, and one in
# another.
claim pvc-whole ext4 "$(findmnt -n -o SOURCE /srv/whole)" 1
local_volume local-parts 1 /srv/parts
local_volume local-part-of-file 1 /srv/of-a-part
claim pvc-deleted ext4 "$(findmnt -n -o SOURCE /srv/deleted)" 2
put 12M /srv/whole/inner
mount_new ext4 "$(losetup --show --find /srv/whole/inner)" /srv/inner
local_volume local-inner 2 /srv/inner
mkdir /srv/memory
mount -t tmpfs -o size=32M tmpfs /srv/memory
put 16M /srv/memory/file
claim_file=$(losetup --show --find /srv/memory/file)
mount_new ext4 "$claim_file" /srv/in-memory
local_volume local-in-memory 2 /srv/in-memory
raw_block raw-file 1 "$(losetup --list -n -O NAME --associated /srv/plain/read-only)"
