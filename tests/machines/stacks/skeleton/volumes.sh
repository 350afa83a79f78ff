# shellcheck shell=bash
# Each sort of volume once: staged for two pods, local on a folder and on a device, raw, in memory and on the node's disk.
fast=$(disk fast) third=$(disk third)

claim pvc-secret ext4 /dev/mapper/secret 1 2
sub_path pvc-secret 1 0 "$(globalmount pvc-secret)"
claim pvc-mirror xfs /dev/md0 1
local_volume local-folder 1 /srv/plain/folder
local_volume local-words 2 '/srv/two words'
local_volume local-loop 2 /srv/loop
claim pvc-long ext4 /dev/storage/long 2
raw_block raw-third 1 "$third"
local_block raw-rest 2 "$(part "$fast" 4)"
empty_dir cache 1
empty_dir memory 1 8M
empty_dir cache 2
secret kube-api-access 1
