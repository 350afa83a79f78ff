# shellcheck shell=bash
# Loop devices on files: whole, with partitions, read-only, on a part of the file only, on a file that was deleted
# since, and with a space in the name; and empty slots.
modprobe loop
mount_new ext4 "$(disk plain)" /srv/plain
for file in whole parts read-only 'of a part' deleted; do
    put 32M "/srv/plain/$file"
done

mount_new ext4 "$(losetup --show --find /srv/plain/whole)" /srv/whole
parts=$(losetup --show --find --partscan /srv/plain/parts)
partition "$parts" 16M +
mount_new ext4 "$(part "$parts" 2)" /srv/parts
losetup --find --read-only /srv/plain/read-only
mount_new ext4 "$(losetup --show --find --offset 1048576 --sizelimit 16777216 '/srv/plain/of a part')" /srv/of-a-part
mount_new ext4 "$(losetup --show --find /srv/plain/deleted)" /srv/deleted
rm /srv/plain/deleted
