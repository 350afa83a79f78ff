# shellcheck shell=bash
# A thin volume, its snapshot read-only, and a raw one: all on both disks, by way of the pool.
lvcreate --yes --thin --name raw --virtualsize 100M thin/pool
settle
claim pvc-first ext4 /dev/thin/first 1 2
stage pvc-second ext4 /dev/thin/second -o ro,noload
publish pvc-second 1
raw_block raw-thin 2 /dev/thin/raw
