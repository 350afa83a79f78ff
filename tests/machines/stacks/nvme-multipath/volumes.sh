# shellcheck shell=bash
# On a namespace that two controllers share.
claim pvc-first ext4 "$(part "$(disk shared)" 1)" 1
raw_block raw-rest 2 "$(part "$(disk shared)" 2)"
