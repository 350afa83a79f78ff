# shellcheck shell=bash
# A volume whose changes are copied to another disk, and the snapshot.
claim pvc-data xfs /dev/storage/data 1
stage pvc-before xfs /dev/storage/before -o ro,nouuid,norecovery
publish pvc-before 2
empty_dir memory 1 4M
