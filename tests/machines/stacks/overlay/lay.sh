# shellcheck shell=bash
# Mounts that are no block device's own: an overlay, bind mounts of folders and of a file, memory.
mount_new ext4 "$(disk plain)" /srv/plain
mkdir -p /srv/plain/{lower,upper,work,folder/below} /srv/{merged,bound,memory,stacked}
echo text >/srv/plain/folder/file

mount -t overlay overlay -o lowerdir=/srv/plain/lower,upperdir=/srv/plain/upper,workdir=/srv/plain/work /srv/merged
mount --bind /srv/plain/folder /srv/bound
touch /srv/one-file
mount --bind /srv/plain/folder/file /srv/one-file
mount -t tmpfs -o size=16M tmpfs /srv/memory
# Mounted over: only the last one is seen.
mount --bind /srv/plain/lower /srv/stacked
mount -t tmpfs -o size=16M tmpfs /srv/stacked
