#!/bin/bash
# Starts one small machine, lays one stack of block devices in it, and brings back what the kernel, the usual tools
# and scope-storage-probe say of it.
#
#   run.sh STACK [--binary PATH | --no-binary] [--cluster FOLDER] [--fixture] [--keep] [--out FOLDER]
#
#   STACK         a folder of tests/machines/stacks: `disks` says how disks are attached, `lay.sh` lays the stack,
#                 `volumes.sh` pods' volumes on it
#   --binary      the program to ask; else $STORAGE_PROBE_BINARY, else target/debug/scope-storage-probe.
#                 An x86_64 program, linked against a C library no newer than the machine's (Debian 12)
#   --no-binary   only lay, record and capture
#   --cluster     hand this folder to the machine as /probe/cluster, and let it reach the host: an API server listens there.
#                 Its files are `kubeconfig`, `authority.crt`, `port`, `administrator` (a token) and `pods` (NUMBER UID)
#   --fixture     put what was captured into tests/fixtures/machines/STACK.txt
#   --keep        keep the disks and the console's log beside the answers
#   --out         where the answers go; else target/machines/out/STACK
#
# The answers are files; `steps` lists what was run, with its exit code. Prints the folder. Ends with an error when a
# step failed, when the machine stopped half-way, or after $STORAGE_PROBE_MACHINE_SECONDS (600) seconds.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
repository=$(cd "$here/../.." && pwd)
limit=${STORAGE_PROBE_MACHINE_SECONDS:-600}

fail() {
    echo "run.sh: $*" >&2
    exit 1
}

stack='' binary=${STORAGE_PROBE_BINARY:-$repository/target/debug/scope-storage-probe} cluster='' fixture=no keep=no out=''
while [ $# -gt 0 ]; do
    case $1 in
    --binary) binary=${2:?--binary takes a path} && shift ;;
    --no-binary) binary='' ;;
    --cluster) cluster=${2:?--cluster takes a folder} && shift ;;
    --fixture) fixture=yes ;;
    --keep) keep=yes ;;
    --out) out=${2:?--out takes a folder} && shift ;;
    -*) fail "no such option: $1" ;;
    *) [ -z "$stack" ] || fail "one stack at a time: $stack, $1" && stack=$1 ;;
    esac
    shift
done
[ -n "$stack" ] || fail "which stack? one of: $(cd "$here/stacks" && echo *)"
laid=$here/stacks/$stack
for file in disks lay.sh volumes.sh; do
    [ -f "$laid/$file" ] || fail "no stack $stack: there is no file $laid/$file"
done
[ -z "$binary" ] || [ -x "$binary" ] || fail "no program at $binary: run cargo build, or name one with --binary"

image=$("$here/image.sh")
out=${out:-$repository/target/machines/out/$stack}
rm -rf "$out"
mkdir -p "$out"
out=$(cd "$out" && pwd)
# Disks are sparse files of this run alone.
work=$(mktemp -d "${TMPDIR:-/tmp}/machine-$stack.XXXXXX")
emulator=
trap '[ -z "$emulator" ] || kill -KILL "$emulator" 2>/dev/null || true; rm -rf "$work"' EXIT
trap 'exit 143' TERM INT

# --- The words of a stack's file `disks` -------------------------------------------------------------------------
#
#   virtio NAME SIZE [PROPERTY=VALUE…]             a virtio disk
#   scsi   NAME SIZE [PROPERTY=VALUE…]             a SCSI disk
#   scsi_path NAME OTHER                           a second path to the SCSI disk OTHER
#   nvme   NAME SIZE [PROPERTY=VALUE…]             an NVMe controller with one namespace
#   nvme_controller NAME [PROPERTY=VALUE…]         an NVMe controller; subsys=ID puts it into a subsystem
#   nvme_namespace NAME SIZE CONTROLLER NSID [PROPERTY=VALUE…]   one more namespace of a controller
#   nvme_subsystem ID [PROPERTY=VALUE…]            a subsystem, whose namespaces all its controllers share
#
# Properties are those of QEMU's devices virtio-blk-pci, scsi-hd, nvme, nvme-ns and nvme-subsys: serial, wwn, vendor,
# product, ver, logical_block_size, … The machine's scripts find a disk by NAME through where it is
# attached, so disks without a serial number are possible too. Linux ignores the EUI-64 and UUID of an emulated NVMe
# namespace as bogus; its WWN is made of the controller's serial number and model.
disks=() slot=8 target=0
declare -A path_of_scsi controller_address

next_slot() {
    [ "$slot" -lt 31 ] || fail "$stack: no PCI slot left for a further disk"
    slot=$((slot + 1))
    address=$(printf '%02x' "$slot")
}

properties() {
    local property
    for property in "$@"; do
        printf ',%s' "${property//,/,,}"
    done
}

image_file() {
    truncate -s "$2" "$work/$1.img"
    disks+=(-drive "if=none,id=drive-$1,format=raw,discard=unmap,file=$work/$1.img${3:-}")
}

virtio() {
    next_slot
    image_file "$1" "$2"
    disks+=(-device "virtio-blk-pci,id=$1,drive=drive-$1,addr=0x$address$(properties "${@:3}")")
    printf 'virtio %s %s\n' "$1" "0000:00:$address.0" >>"$work/disks"
}

attach_scsi() {
    disks+=(-device "scsi-hd,id=$1,drive=drive-$1,bus=scsi.0,channel=0,scsi-id=$target,lun=0$2")
    printf 'scsi %s %s\n' "$1" "0:$target:0" >>"$work/disks"
    target=$((target + 1))
}

scsi() {
    path_of_scsi[$1]=$(properties "${@:3}")
    # Both paths of a disk write to one file, which the emulator would refuse.
    image_file "$1" "$2" ,file.locking=off
    attach_scsi "$1" ",share-rw=on${path_of_scsi[$1]}"
}

scsi_path() {
    [ -n "${path_of_scsi[$2]+x}" ] || fail "$stack: scsi_path $1: no SCSI disk $2 stands above it"
    disks+=(-drive "if=none,id=drive-$1,format=raw,file=$work/$2.img,file.locking=off")
    attach_scsi "$1" ",share-rw=on${path_of_scsi[$2]}"
}

nvme_subsystem() {
    disks+=(-device "nvme-subsys,id=$1$(properties "${@:2}")")
}

nvme_controller() {
    next_slot
    controller_address[$1]=0000:00:$address.0
    disks+=(-device "nvme,id=$1,addr=0x$address$(properties "${@:2}")")
}

nvme_namespace() {
    [ -n "${controller_address[$3]+x}" ] || fail "$stack: nvme_namespace $1: no controller $3 stands above it"
    image_file "$1" "$2"
    disks+=(-device "nvme-ns,drive=drive-$1,bus=$3,nsid=$4$(properties "${@:5}")")
    printf 'nvme %s %s %s\n' "$1" "${controller_address[$3]}" "$4" >>"$work/disks"
}

nvme() {
    nvme_controller "$1" "${@:3}"
    nvme_namespace "$1-1" "$2" "$1" 1
    sed -i "s/^nvme $1-1 /nvme $1 /" "$work/disks"
}

: >"$work/disks"
# shellcheck source=/dev/null
. "$laid/disks"

# --- The payload: a second archive behind the initramfs, so that it takes no disk ---------------------------------
payload=$work/payload
mkdir -p "$payload/payload/stack"
cp -a "$here/machine" "$payload/payload/machine"
cp -a "$laid/." "$payload/payload/stack/"
cp "$here/../fixtures/capture.sh" "$payload/payload/capture.sh"
cp "$work/disks" "$payload/payload/disks"
echo "$stack" >"$payload/payload/name"
network=(-nic none)
if [ -n "$cluster" ]; then
    cp -r "$cluster" "$payload/payload/cluster"
    network=(-netdev user,id=host -device virtio-net-pci,netdev=host,romfile=,addr=0x6)
fi
if [ -n "$binary" ]; then
    # Without the symbols for a debugger a tenth is left to load.
    objcopy --strip-debug "$binary" "$payload/payload/scope-storage-probe" 2>/dev/null ||
        cp "$binary" "$payload/payload/scope-storage-probe"
fi
{
    cat "$image/initrd.cpio"
    (cd "$payload" && find payload | LC_ALL=C sort | cpio --quiet -o -H newc -R 0:0)
} >"$work/initrd.cpio"

# --- The machine --------------------------------------------------------------------------------------------------
machine=(
    -machine "q35,accel=tcg" -cpu max -smp 1 -m 1500 -nodefaults -no-user-config -display none -no-reboot "${network[@]}"
    -serial "file:$work/console.log"
    -kernel "$image/vmlinux" -initrd "$work/initrd.cpio"
    -append "console=ttyS0 quiet panic=1 scsi_mod.scan=sync"
    # Written to a snapshot that goes with the machine.
    -drive "if=none,id=drive-root,format=raw,snapshot=on,file=$image/root.img"
    -device "virtio-blk-pci,drive=drive-root,serial=machine-root,addr=0x3"
    -device "virtio-serial-pci,addr=0x4"
    -chardev "file,id=answers,path=$work/answers.tar" -device "virtserialport,chardev=answers,name=answers"
    -device "virtio-scsi-pci,id=scsi,addr=0x5"
)
: >"$work/console.log"
began=$SECONDS status=0 answered=''
TMPDIR=$work qemu-system-x86_64 "${machine[@]}" "${disks[@]}" </dev/null >"$work/emulator.log" 2>&1 &
emulator=$!
# A machine that has said all now and then hangs on its way down, inside the emulator: what it answered is whole by
# then, so it is not waited for.
while kill -0 "$emulator" 2>/dev/null; do
    if [ -z "$answered" ] && grep -q '^machine: [0-9.]* done' "$work/console.log"; then
        answered=$SECONDS
    elif [ -n "$answered" ] && [ $((SECONDS - answered)) -ge 5 ]; then
        kill -KILL "$emulator" 2>/dev/null || true
    elif [ -z "$answered" ] && [ $((SECONDS - began)) -ge "$limit" ]; then
        kill -KILL "$emulator" 2>/dev/null || true
        status=124
    fi
    sleep 0.2
done
ended=0
wait "$emulator" 2>/dev/null || ended=$?
emulator=
[ "$status" = 124 ] || [ -n "$answered" ] || status=$ended
took=$((SECONDS - began))

tell_console() {
    {
        sed 's/^/    /' "$work/emulator.log"
        echo "  the end of the console:"
        tail -n 40 "$work/console.log" | sed 's/^/    /'
    } >&2
}

if [ "$keep" = yes ]; then
    cp "$work/console.log" "$work/emulator.log" "$out/"
    cp --sparse=always "$work"/*.img "$out/"
fi
if [ "$status" = 124 ]; then
    tell_console
    fail "$stack: the machine did not end within $limit s (\$STORAGE_PROBE_MACHINE_SECONDS) and was stopped"
elif [ "$status" != 0 ]; then
    tell_console
    fail "$stack: the emulator ended with $status"
fi
if ! tar -x -f "$work/answers.tar" -C "$out" --no-same-owner 2>/dev/null || [ ! -f "$out/steps" ]; then
    tell_console
    fail "$stack: the machine stopped before it answered"
fi
cp "$work/console.log" "$out/"
wrong=$(awk '$2 != 0 { printf "%s%s (%s)", separator, $1, $2; separator = ", " }' "$out/steps")
if [ -n "$wrong" ]; then
    [ "${wrong#lay}" = "$wrong" ] || tell_console
    while read -r step code _; do
        [ "$code" = 0 ] || [ ! -s "$out/$step.err" ] || tail -n 10 "$out/$step.err" | sed "s/^/    $step: /" >&2
    done <"$out/steps"
    fail "$stack: failed with their exit codes: $wrong; the answers are in $out"
fi
if [ "$fixture" = yes ]; then
    cp "$out/capture.txt" "$here/../fixtures/machines/$stack.txt"
fi
echo "run.sh: $stack took $took s" >&2
echo "$out"
