# shellcheck shell=bash
# On a mirror with a failed half, and on one with a missing half.
claim pvc-half ext4 /dev/md0 1
claim pvc-lonely ext4 /dev/md1 2
empty_dir cache 1
