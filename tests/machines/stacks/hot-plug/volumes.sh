# shellcheck shell=bash
claim pvc-first ext4 "$(disk first)" 1
claim pvc-stays ext4 "$(disk stays)" 2
