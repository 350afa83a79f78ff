# shellcheck shell=bash
# Binds of every sort: of an overlay, of folders, of a folder on a bind, of one file, of what is mounted over; memory;
# a folder whose name is another's beginning; and folders of the node that no PersistentVolume is.
mkdir -p /srv/plain/folder2 /srv/plain/folder/below/deep
local_volume local-merged 1 /srv/merged
local_volume local-folder 1 /srv/bound
sub_path local-folder 1 0 /srv/bound/below/deep
sub_path local-folder 1 1 /srv/bound/file
local_volume local-folder2 2 /srv/plain/folder2
local_volume local-stacked 2 /srv/stacked
local_volume local-memory 2 /srv/memory
host_path logs 1 /srv/plain/lower
host_path logs 2 /srv/memory
empty_dir cache 1
empty_dir memory 1 8M
empty_dir memory 2 12M
secret kube-api-access 1
secret kube-api-access 2
