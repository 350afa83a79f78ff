# shellcheck shell=bash
# A logical volume on stripes: a folder of it, and part of that for a container.
mkdir -p /srv/data/folder/below
local_volume local-folder 1 /srv/data/folder
sub_path local-folder 1 0 /srv/data/folder/below
claim pvc-data xfs /dev/striped/data 2
