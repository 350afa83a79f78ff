# shellcheck shell=bash
# One namespace behind two controllers: the kernel shows one disk and hides its paths.
shared=$(disk shared)

partition "$shared" 200M +
mount_new ext4 "$(part "$shared" 1)" /srv/first
put 8M /srv/first/file
