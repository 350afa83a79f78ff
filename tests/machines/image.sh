#!/bin/bash
# Builds what every test machine starts from: Debian's kernel, a Debian root file system with udev and the tools that
# lay block devices, and a small initramfs that mounts it. Prints the folder that holds
#
#   vmlinux      the kernel, unpacked, so that the emulator need not
#   initrd.cpio  busybox and the drivers of the root disk; run.sh appends the payload of one run
#   root.img     ext4, never written to: run.sh starts machines on a snapshot of it
#
# Built once and kept in $STORAGE_PROBE_MACHINE_CACHE, or else in the user's cache (~/.cache/scope-storage-probe), so that each checkout
# need not build its own; built anew when this script changes.
# Needs root (debootstrap makes device nodes), Debian, and a reachable Debian mirror. Installs the packages it lacks.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
cache=${STORAGE_PROBE_MACHINE_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/scope-storage-probe/machines}
release=bookworm
kernel_package=linux-image-amd64

# Tools inside the machine.
packages=(
    udev kmod iproute2 fdisk e2fsprogs xfsprogs btrfs-progs
    lvm2 thin-provisioning-tools cryptsetup-bin mdadm multipath-tools bcache-tools
    nfs-kernel-server nfs-common open-iscsi nvme-cli nbd-server nbd-client
    curl
)

# Drivers that some stack needs or will need: their absence should be known here and not inside a machine.
modules=(
    virtio_blk virtio_scsi virtio_console sd_mod nvme
    dm_mod dm_crypt dm_thin_pool dm_snapshot dm_multipath raid0 raid1 raid456 bcache loop brd zram nbd drbd
    ext4 xfs btrfs overlay nfs nfsd nfsv4
    iscsi_tcp iscsi_target_mod target_core_iblock target_core_file tcm_loop
    nvmet nvmet_tcp nvme_tcp null_blk scsi_debug
    veth 9p 9pnet_virtio
)

# Folders of drivers that are left out: they are most of the size, and no block device needs them.
unwanted=(
    sound drivers/gpu drivers/media drivers/net/wireless drivers/net/ethernet drivers/infiniband drivers/iio
    drivers/staging drivers/hwmon drivers/input drivers/hid drivers/usb drivers/bluetooth drivers/mfd drivers/video
    drivers/platform drivers/comedi drivers/isdn drivers/leds drivers/power drivers/rtc drivers/regulator
    net/bluetooth net/mac80211 net/wireless net/netfilter net/bridge net/batman-adv net/tipc
)

fail() {
    echo "image.sh: $*" >&2
    exit 1
}

# A stopped debootstrap leaves its mounts.
clean_up() {
    local folder
    for folder in proc sys dev/pts dev; do
        ! mountpoint -q "$work/root/$folder" || umount "$work/root/$folder" || exit 1
    done
    rm -rf "$work"
}

# Puts the kernel's and busybox's packages, unpacked, below $work without installing them on the host.
fetch_packages() {
    "$here/../packages.sh" update || fail "no list of packages to be had"
    local kernel
    kernel=$(apt-cache depends --important "$kernel_package" 2>/dev/null |
        sed -n 's/^ *Depends: \(linux-image-[0-9].*\)/\1/p' | head -n 1)
    [ -n "$kernel" ] || fail "apt knows no package $kernel_package: is this Debian $release with the main section?"
    mkdir "$work/debs" "$work/unpacked"
    # The sandbox user of apt may not enter a private folder.
    (cd "$work/debs" && apt-get -qq -o APT::Sandbox::User=root download "$kernel" busybox-static) ||
        fail "apt-get could not download $kernel and busybox-static"
    local deb
    for deb in "$work"/debs/*.deb; do
        dpkg-deb -x "$deb" "$work/unpacked"
    done
}

# The kernel file holds a compressed ELF image behind its boot code. Unpacked here it takes a blink, and several
# seconds in every emulated start. Debian's kernel can be entered as ELF (CONFIG_PVH).
unpack_kernel() {
    local file offset
    file=$(echo "$work"/unpacked/boot/vmlinuz-*)
    grep -q '^CONFIG_PVH=y' "$work"/unpacked/boot/config-* || fail "this kernel cannot be started as ELF: CONFIG_PVH is off"
    offset=$(LC_ALL=C grep -obUaP '\xFD7zXZ\x00' "$file" | head -n 1 | cut -d: -f1)
    [ -n "$offset" ] || fail "$file holds no kernel compressed with xz"
    # xz complains of what follows the compressed part, and has written it all by then.
    tail -c "+$((offset + 1))" "$file" | xz -dc >"$work/out/vmlinux" 2>/dev/null || true
    [ "$(head -c 4 "$work/out/vmlinux" | tail -c 3)" = ELF ] || fail "what was unpacked from $file is no ELF file"
}

make_root() {
    local root=$work/root list
    list=$(IFS=, && echo "${packages[*]}")
    # The mirror is debootstrap's own default, or $DEBIAN_MIRROR where that is set.
    debootstrap --variant=minbase --include="$list" "$release" "$root" ${DEBIAN_MIRROR:+"$DEBIAN_MIRROR"} \
        >"$work/debootstrap.log" 2>&1 || {
        tail -n 5 "$work/debootstrap.log" >&2
        fail "debootstrap failed; its last lines are above. \$DEBIAN_MIRROR names another mirror"
    }
    rm -rf "$root"/var/cache/apt/* "$root"/var/lib/apt/lists/* \
        "$root"/usr/share/{doc,man,locale,info,lintian,bash-completion} "$root"/var/log/*
    mkdir -p "$root/probe"
    # Nothing may start by itself: the machine has no service manager, and each stack says what it runs.
    # LVM must not look for the monitor of snapshots and pools either.
    sed -i 's/^\([[:space:]]*\)#\? *monitoring = 1/\1monitoring = 0/' "$root/etc/lvm/lvm.conf"
    # mdadm would mail about a degraded array, and scan for arrays of the host.
    : >"$root/etc/mdadm/mdadm.conf"
}

add_modules() {
    local from to folder module missing=()
    from=$(echo "$work"/unpacked/lib/modules/*)
    release_of_kernel=${from##*/}
    to=$work/root/lib/modules/$release_of_kernel
    for folder in "${unwanted[@]}"; do
        rm -rf "$from/kernel/$folder"
    done
    mkdir -p "$work/root/lib/modules"
    cp -a "$from" "$to"
    depmod -b "$work/root" "$release_of_kernel"
    for module in "${modules[@]}"; do
        modprobe -q -d "$work/root" -S "$release_of_kernel" --show-depends "$module" >/dev/null 2>&1 || missing+=("$module")
    done
    [ ${#missing[@]} -eq 0 ] || fail "the kernel $release_of_kernel lacks: ${missing[*]}"
}

# The drivers in the order in which they must be loaded, then a script that mounts the root disk, puts the payload
# of this run beside it and hands over.
make_initramfs() {
    local tree=$work/initramfs module
    mkdir -p "$tree"/{bin,dev,proc,sys,modules,root,payload}
    cp "$work/unpacked/bin/busybox" "$tree/bin/busybox"
    : >"$tree/modules/order"
    for module in virtio_pci virtio_blk crc32c_generic ext4; do
        modprobe -d "$work/root" -S "$release_of_kernel" --show-depends "$module"
    done | sed -n 's/^insmod \([^ ]*\).*/\1/p' | awk '!seen[$0]++' | while read -r module; do
        cp "$module" "$tree/modules/"
        basename "$module" >>"$tree/modules/order"
    done
    cat >"$tree/init" <<'INIT'
#!/bin/busybox sh
/bin/busybox --install -s /bin
export PATH=/bin
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev
while read -r module; do
    insmod "/modules/$module" || echo "machine: cannot load $module"
done </modules/order
tries=0
until [ -n "$root" ]; do
    for disk in /sys/block/vd*; do
        [ "$(cat "$disk/serial" 2>/dev/null)" = machine-root ] && root=/dev/${disk##*/}
    done
    tries=$((tries + 1))
    [ "$tries" -le 100 ] || { echo "machine: no root disk after 10 s"; poweroff -f; }
    [ -n "$root" ] || sleep 0.1
done
mount -t ext4 "$root" /root || { echo "machine: cannot mount $root"; poweroff -f; }
mount -t tmpfs -o mode=755 tmpfs /root/probe
mv /payload/* /root/probe/
umount /dev /sys /proc
exec switch_root /root /probe/machine/init
INIT
    chmod 755 "$tree/init"
    (cd "$tree" && find . | LC_ALL=C sort | cpio --quiet -o -H newc -R 0:0) >"$work/out/initrd.cpio"
}

make_image() {
    local used
    used=$(du -sm "$work/root" | cut -f1)
    truncate -s "$((used + used / 4 + 256))M" "$work/out/root.img"
    # The same identity in every build, so that captured machines differ only where something changed.
    mkfs.ext4 -q -L machine-root -U 5ca1ab1e-0000-4000-8000-000000000001 -E lazy_itable_init=1,root_owner=0:0 \
        -d "$work/root" "$work/out/root.img"
}

"$here/../packages.sh" install qemu-system-x86_64:qemu-system-x86 debootstrap:debootstrap modprobe:kmod cpio:cpio \
    mkfs.ext4:e2fsprogs xz:xz-utils flock:util-linux tar:tar \
    /usr/share/keyrings/debian-archive-keyring.gpg:debian-archive-keyring
mkdir -p "$cache"
cache=$(cd "$cache" && pwd)
key=$(sha256sum "$here/image.sh" | cut -c1-16)
image=$cache/image-$key

# Two runs at a time must not build twice.
exec 9>"$cache/image.lock"
flock -w 900 9 || fail "another image.sh has been building for 15 minutes: see $cache"
if [ ! -d "$image" ]; then
    [ "$(id -u)" = 0 ] || fail "building the image needs root (it is built once; running machines does not)"
    echo "image.sh: building $image (two minutes or so, once)" >&2
    work=$cache/build-$key
    clean_up
    mkdir -p "$work/out"
    trap clean_up EXIT
    # The download waits for the network and debootstrap mostly for the processor.
    fetch_packages &
    fetching=$!
    make_root
    wait "$fetching" || fail "the kernel could not be fetched"
    unpack_kernel
    add_modules
    make_initramfs
    make_image
    rm -rf "$cache"/image-????????????????
    mv "$work/out" "$image"
fi
echo "$image"
