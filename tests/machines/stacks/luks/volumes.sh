# shellcheck shell=bash
# Encrypted, on a partition and on a disk; raw as well.
claim pvc-secret ext4 /dev/mapper/secret 1
local_device local-whole 2 /dev/mapper/luks-whole ext4
printf 'no secret' | cryptsetup open --key-file - "$(part "$(disk disk)" 2)" locked
settle
raw_block raw-locked 1 /dev/mapper/locked
