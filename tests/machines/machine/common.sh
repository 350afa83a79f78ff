# shellcheck shell=bash
# The words that the stacks' scripts share.

# disk NAME: the block device that the stack's file `disks` calls NAME.
disk() {
    local kind name place namespace device
    while read -r kind name place namespace; do
        [ "$name" = "$1" ] || continue
        if device=$("disk_at_$kind" "$place" "$namespace"); then
            echo "/dev/$device"
            return
        fi
        echo "disk $1: nothing is attached at $kind $place $namespace" >&2
        return 1
    done </probe/disks
    echo "disk $1: the file disks has no such name" >&2
    return 1
}

disk_at_virtio() {
    name_of /sys/bus/pci/devices/"$1"/virtio*/block/*
}

disk_at_scsi() {
    name_of /sys/bus/scsi/devices/*:"$1"/block/*
}

# A namespace is below its controller, or, with native multipath, below the subsystem while the controller has but a
# hidden path to it: nvme0c1n1 stands for nvme0n1.
disk_at_nvme() {
    local controller path
    controller=$(name_of /sys/bus/pci/devices/"$1"/nvme/nvme*) || return
    for path in /sys/class/nvme/"$controller"/nvme*n*; do
        if [ "$(cat "$path/nsid" 2>/dev/null)" = "$2" ]; then
            basename "$path" | sed 's/c[0-9]*n/n/'
            return
        fi
    done
    return 1
}

name_of() {
    [ -e "$1" ] && basename "$1"
}

# await COMMAND…: until it succeeds, for a minute at most.
await() {
    local end=$((SECONDS + 60))
    until "$@" >/dev/null 2>&1; do
        if [ "$SECONDS" -ge "$end" ]; then
            echo "waited a minute in vain for: $*" >&2
            "$@"
            return 1
        fi
        sleep 0.1
    done
}

# Disks appear one after another, and some of them after udev first settled.
wait_for_disks() {
    local kind name rest
    while read -r kind name rest; do
        await disk "$name"
    done </probe/disks
    settle
}

settle() {
    udevadm settle --timeout=120
}

# part DISK NUMBER: the name of a partition. The kernel puts a p behind a name that ends in a digit.
part() {
    case $1 in
    *[0-9]) echo "$1p$2" ;;
    *) echo "$1$2" ;;
    esac
}

# partition DISK SIZE…: a GPT with partitions of these sizes (sfdisk's; `+` is the rest), one after another.
partition() {
    local disk=$1 size
    shift
    {
        echo 'label: gpt'
        for size in "$@"; do
            echo "size=$size"
        done
    } | sfdisk --quiet --color=never --wipe always "$disk"
    settle
}

# mount_new KIND DEVICE FOLDER [OPTION…]: a new file system on a device, mounted. Options are those of mkfs.
mount_new() {
    local kind=$1 device=$2 folder=$3
    shift 3
    # udev sees what is written from the moment on that it is done with the device's appearance.
    settle
    case $kind in
    ext4) mkfs.ext4 -q -E lazy_itable_init=1 "$@" "$device" ;;
    # A further device is an option of btrfs.
    *) "mkfs.$kind" -q "$device" "$@" ;;
    esac
    mkdir -p "$folder"
    mount -t "$kind" "$device" "$folder"
}

# encrypt DEVICE NAME: a LUKS volume on a device, opened. Its key is derived in one step: nothing is secret here, and
# the usual second of work takes a minute in an emulated machine.
encrypt() {
    printf 'no secret' | cryptsetup luksFormat --batch-mode --type luks2 --pbkdf pbkdf2 --pbkdf-force-iterations 1000 \
        --key-file - "$1"
    printf 'no secret' | cryptsetup open --key-file - "$1" "$2"
    settle
}

# mirror ARRAY DEVICE DEVICE: a RAID1, in step from the beginning because there is nothing on it.
mirror() {
    mdadm --quiet --create "$1" --run --level=1 --metadata=1.2 --raid-devices=2 --assume-clean "$2" "$3"
    settle
}

# put SIZE FILE: a file of SIZE (dd's words) written through to its device, so that counters are not zero.
put() {
    dd if=/dev/zero of="$2" bs=64k count="$1" iflag=count_bytes conv=fsync status=none
}
