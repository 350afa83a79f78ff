# shellcheck shell=bash
# On two namespaces of one controller, and on another disk.
claim pvc-first ext4 "$(disk first)" 1
raw_block raw-second 1 "$(part "$(disk second)" 1)" link
claim pvc-second ext4 "$(part "$(disk second)" 2)" 2
local_volume local-other 2 /srv/other
