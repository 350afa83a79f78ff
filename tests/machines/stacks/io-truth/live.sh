# shellcheck shell=bash
# Reads and writes of known size, past the page cache: what a device of its own, a raw device, and a pod's control group
# counted must be these bytes and no others. What the kernel's own files say is noted beside it.
own=$kubelet/pods/$(pod 1)/volumes/kubernetes.io~csi/pvc-own/mount
raw=$kubelet/pods/$(pod 1)/volumeDevices/kubernetes.io~csi/raw-own
local_path() {
    echo "$kubelet/pods/$(pod "$2")/volumes/kubernetes.io~local-volume/$1"
}

# A pod's control group as the kubelet and systemd lay it, with one container's in it.
control_group() {
    local folder=/sys/fs/cgroup/kubepods.slice/kubepods-besteffort.slice uid
    uid=$(pod "$1")
    folder=$folder/kubepods-besteffort-pod${uid//-/_}.slice/cri-containerd-$1.scope
    mkdir -p "$folder"
    while [ "$folder" != /sys/fs/cgroup ]; do
        folder=${folder%/*}
        groups+=("$folder")
    done
    for ((at = ${#groups[@]} - 1; at >= 0; at--)); do
        echo +io >"${groups[at]}/cgroup.subtree_control"
    done
    groups=()
}
groups=()

# in_pod NUMBER COMMAND…: in the container's control group.
in_pod() {
    local group
    group=$(echo /sys/fs/cgroup/kubepods.slice/*/*/cri-containerd-"$1".scope)
    # shellcheck disable=SC2016
    bash -c 'echo $$ >"$0/cgroup.procs" && exec "$@"' "$group" "${@:2}"
}

# sectors NAME DEVICE: what the kernel counts of a device, in bytes.
sectors() {
    local name
    name=$(basename "$(readlink -f "$2")")
    awk -v name="$1" '{ print name, "read", $3 * 512, "written", $7 * 512 }' "/sys/class/block/$name/stat"
}

control_group 1
control_group 2
put 8M "$own/file"
for volume in one:1 two:2; do
    put 8M "$(local_path "local-${volume%:*}" "${volume#*:}")/file"
done
sync
# What the commands need of the root disk is read, and the files' own blocks are known.
for file in "$own/file" "$(local_path local-one 1)/file" "$(local_path local-two 2)/file"; do
    dd if="$file" of=/dev/null bs=64k count=1 iflag=direct status=none
done

# udev reads a device, and has the kernel look for partitions, when somebody has written to it and closes it.
settle
udevadm control --exit
serve
scrape before
{
    sectors pvc-own "$(disk own)"
    sectors raw-own "$(disk raw)"
} >"$live/counted-before"
dd if=/dev/zero of="$own/file" bs=64k count=80 oflag=direct conv=notrunc status=none
dd if="$own/file" of=/dev/null bs=64k count=48 iflag=direct status=none
note pvc-own device written 5242880 read 3145728
dd if=/dev/zero of="$raw" bs=64k count=112 oflag=direct status=none
dd if="$raw" of=/dev/null bs=4k count=33 iflag=direct status=none
note raw-own device written 7340032 read 135168
in_pod 1 dd if=/dev/zero of="$(local_path local-one 1)/file" bs=64k count=32 oflag=direct conv=notrunc status=none
in_pod 1 dd if="$(local_path local-one 1)/file" of=/dev/null bs=64k count=16 iflag=direct status=none
note local-one cgroup written 2097152 read 1048576
in_pod 2 dd if=/dev/zero of="$(local_path local-two 2)/file" bs=64k count=96 oflag=direct conv=notrunc status=none
note local-two cgroup written 6291456 read 0
{
    sectors pvc-own "$(disk own)"
    sectors raw-own "$(disk raw)"
} >"$live/counted-after"
scrape after
stop_serving
