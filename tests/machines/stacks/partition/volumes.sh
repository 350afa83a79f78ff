# shellcheck shell=bash
# On partitions of both kinds of table, and on blocks of 4096 bytes; one read-only.
small=$(disk small) large=$(disk large) digit=$(disk digit)

claim pvc-logical ext4 "$(part "$small" 5)" 1
mkdir -p /srv/logical/sub/folder
echo text >/srv/logical/sub/file
sub_path pvc-logical 1 0 /srv/logical/sub/folder
sub_path pvc-logical 1 1 /srv/logical/sub/file
local_device local-large 1 "$(part "$large" 2)" ext4
raw_block raw-logical 1 "$(part "$small" 6)"
stage pvc-digit xfs "$(part "$digit" 1)"
publish pvc-digit 1 -o ro
local_volume local-primary 2 /srv/primary
empty_dir cache 2
