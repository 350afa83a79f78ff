# shellcheck shell=bash
# A slow disk with a quick one as its cache.
slow=$(disk slow) quick=$(disk quick)

modprobe bcache
make-bcache --wipe-bcache --bucket 128k --bdev "$slow" --cache "$quick"
settle
for disk in "$slow" "$quick"; do
    # udev's rule registers them; where it has not yet, this does. The second time is an error.
    echo "$disk" >/sys/fs/bcache/register 2>/dev/null || true
done
await test -e /sys/block/bcache0/bcache/cache
settle
mount_new ext4 /dev/bcache0 /srv/cached
put 8M /srv/cached/file
