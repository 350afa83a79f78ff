# shellcheck shell=bash
# Words that lay pods' volumes as a kubelet lays them: the folders, links, files and binds that Kubernetes' sources make
# (pkg/kubelet/kubelet_getters.go, pkg/volume/csi, pkg/volume/local, pkg/volume/util/{subpath,volumepathhandler}).
#
# Each volume of each pod gets a line in /probe/volumes, fields apart by tabs, which says what was laid and nothing of
# what carries it: NAME, POD, DRIVER, MODE (Filesystem, Block, or Folder for what is no mount), yes where NAME is a
# PersistentVolume's, PATH.
kubelet=/var/lib/kubelet
csi=$kubelet/plugins/kubernetes.io/csi
driver=disks.example

# pod NUMBER: the UID of a pod; of one that an API server made, the UID that it was given there.
pod() {
    if [ -d /probe/cluster ]; then
        sed -n "s/^$1 //p" /probe/cluster/pods
        return
    fi
    printf '%08d-1111-4111-8111-111111111111' "$1"
}

laid_volume() {
    local IFS=$'\t'
    echo "$*" >>/probe/volumes
}

# vol_data PV [HANDLE]: what the kubelet writes down of a CSI volume.
vol_data() {
    printf '{"attachmentID":"csi-%s","driverName":"%s","nodeName":"node","specVolID":"%s","volumeHandle":"%s","volumeLifecycleMode":"Persistent"}\n' \
        "$(sha256 "$1")" "$driver" "$1" "${2:-vol-$1}"
}

sha256() {
    printf '%s' "$1" | sha256sum | cut -d' ' -f1
}

# globalmount PV: where a CSI volume is staged for all pods, since Kubernetes 1.24.
globalmount() {
    echo "$csi/$driver/$(sha256 "vol-$1")/globalmount"
}

# stage PV KIND DEVICE [OPTION…]: a CSI driver mounts a device once for all pods. Options are those of mount.
stage() {
    local volume=$1 kind=$2 device=$3 place
    shift 3
    place=$(globalmount "$volume")
    mkdir -p "$place"
    printf '{"driverName":"%s","volumeHandle":"vol-%s"}\n' "$driver" "$volume" >"${place%/*}/vol_data.json"
    mount -t "$kind" "$@" "$device" "$place"
}

# publish PV POD [OPTION…]: a staged volume is bound into a pod.
publish() {
    local volume=$1
    publish_from "$(globalmount "$volume")" "$@"
}

# publish_from FOLDER PV POD [OPTION…]: a CSI driver binds a folder of its own into a pod.
publish_from() {
    local from=$1 volume=$2 folder
    folder=$kubelet/pods/$(pod "$3")/volumes/kubernetes.io~csi/$volume
    mkdir -p "$folder/mount"
    vol_data "$volume" >"$folder/vol_data.json"
    mount --bind "${@:4}" "$from" "$folder/mount"
    laid_volume "$volume" "$(pod "$3")" "$driver" Filesystem yes "$folder/mount"
}

# at_pod PV POD KIND DEVICE: a CSI driver that stages nothing mounts a device in a pod, and calls the volume as the cluster does.
at_pod() {
    local folder
    folder=$kubelet/pods/$(pod "$2")/volumes/kubernetes.io~csi/$1
    mkdir -p "$folder/mount"
    vol_data "$1" "$1" >"$folder/vol_data.json"
    mount -t "$3" "$4" "$folder/mount"
    laid_volume "$1" "$(pod "$2")" "$driver" Filesystem yes "$folder/mount"
}

# claim PV KIND DEVICE POD…: staged once and published to each of the pods.
claim() {
    local volume=$1 kind=$2 device=$3 number
    shift 3
    stage "$volume" "$kind" "$device"
    for number in "$@"; do
        publish "$volume" "$number"
    done
}

# local_volume PV POD FOLDER [OPTION…]: a local PersistentVolume on a folder, or on the mount point of a disk.
local_volume() {
    local place
    place=$(in_tree local-volume "$1" "$2")
    mount --bind "${@:4}" "$3" "$place"
}

# local_device PV POD DEVICE KIND: a local PersistentVolume on a device, which the kubelet itself mounts.
local_device() {
    local global=$kubelet/plugins/kubernetes.io/local-volume/mounts/$1
    mkdir -p "$global"
    mount -t "$4" "$3" "$global"
    local_volume "$1" "$2" "$global"
}

# in_tree PLUGIN PV POD: the folder of a volume of a plugin that mounts there itself.
in_tree() {
    local folder
    folder=$kubelet/pods/$(pod "$3")/volumes/kubernetes.io~$1/$2
    mkdir -p "$folder"
    laid_volume "$2" "$(pod "$3")" "kubernetes.io/$1" Filesystem yes "$folder"
    echo "$folder"
}

# empty_dir NAME POD [SIZE]: an emptyDir, in memory where it has a size.
empty_dir() {
    local folder
    folder=$kubelet/pods/$(pod "$2")/volumes/kubernetes.io~empty-dir/$1
    mkdir -p "$folder"
    if [ $# -gt 2 ]; then
        mount -t tmpfs -o "size=$3" tmpfs "$folder"
        laid_volume "$1" "$(pod "$2")" kubernetes.io/empty-dir Filesystem no "$folder"
    else
        laid_volume "$1" "$(pod "$2")" kubernetes.io/empty-dir Folder no "$folder"
    fi
}

# secret NAME POD: a text of the API server. No volume that holds anything.
secret() {
    local folder
    folder=$kubelet/pods/$(pod "$2")/volumes/kubernetes.io~projected/$1
    mkdir -p "$folder"
    mount -t tmpfs -o size=64k tmpfs "$folder"
}

# sub_path VOLUME POD INDEX FROM: a folder or a file of a volume, bound for the pod's container.
sub_path() {
    local place
    place=$kubelet/pods/$(pod "$2")/volume-subpaths/$1/app/$3
    mkdir -p "${place%/*}"
    if [ -d "$4" ]; then mkdir "$place"; else : >"$place"; fi
    mount --bind "$4" "$place"
}

# host_path NAME POD FROM: a folder of the node of which the pod has a part alone, so that the kubelet binds it.
host_path() {
    sub_path "$1" "$2" 0 "$3"
    laid_volume "$1" "$(pod "$2")" kubernetes.io/host-path Filesystem no \
        "$kubelet/pods/$(pod "$2")/volume-subpaths/$1/app/0"
}

# raw_block PV POD DEVICE [link]: a raw block volume of a CSI driver. The driver binds the device's node to the file that
# it is told, or with `link` puts a link there; the kubelet binds that once more, links to it from the pod's folder, and
# holds a loop device on it.
raw_block() {
    local volume=$1 uid published global
    uid=$(pod "$2")
    published=$csi/volumeDevices/publish/$volume/$uid
    global=$csi/volumeDevices/$volume/dev
    mkdir -p "${published%/*}" "$csi/volumeDevices/staging/$volume" "$global" "$csi/volumeDevices/$volume/data" \
        "$kubelet/pods/$uid/volumeDevices/kubernetes.io~csi"
    vol_data "$volume" >"$csi/volumeDevices/$volume/data/vol_data.json"
    if [ "${4:-}" = link ]; then
        ln -s "$3" "$published"
    else
        : >"$published"
        mount --bind "$3" "$published"
    fi
    : >"$global/$uid"
    mount --bind "$published" "$global/$uid"
    ln -s "$published" "$kubelet/pods/$uid/volumeDevices/kubernetes.io~csi/$volume"
    modprobe loop
    losetup --find "$global/$uid"
    laid_volume "$volume" "$uid" "$driver" Block yes "$kubelet/pods/$uid/volumeDevices/kubernetes.io~csi/$volume"
}

# local_block PV POD DEVICE: a raw block volume of the local plugin.
local_block() {
    local uid global
    uid=$(pod "$2")
    global=$kubelet/plugins/kubernetes.io~local-volume/volumeDevices/$1
    mkdir -p "$global" "$kubelet/pods/$uid/volumeDevices/kubernetes.io~local-volume"
    : >"$global/$uid"
    mount --bind "$3" "$global/$uid"
    ln -s "$3" "$kubelet/pods/$uid/volumeDevices/kubernetes.io~local-volume/$1"
    modprobe loop
    losetup --find "$global/$uid"
    laid_volume "$1" "$uid" kubernetes.io/local-volume Block yes \
        "$kubelet/pods/$uid/volumeDevices/kubernetes.io~local-volume/$1"
}
