# shellcheck shell=bash
claim pvc-own ext4 "$(disk own)" 1
raw_block raw-own 1 "$(disk raw)"
local_volume local-one 1 /srv/shared/one
local_volume local-two 2 /srv/shared/two
