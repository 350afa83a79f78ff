# shellcheck shell=bash
# On a slow disk with a quick one as its cache.
claim pvc-cached ext4 /dev/bcache0 1
mkdir /srv/cached/folder
local_volume local-folder 2 /srv/cached/folder
