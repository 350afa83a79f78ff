# shellcheck shell=bash
# The program follows the API server of the machine's host, and reads this kernel. The machine plays the part of LVM LocalPV's agent: it
# says in LVMNode and LVMVolume what `vgs` and `lvs` say; then the objects say something else, and then a disk is mounted over the
# folders. Without a cluster in reach (`run.sh --cluster`) there is nothing to follow.
[ -d /probe/cluster ] || return 0
objects=/apis/local.openebs.io/v1alpha1/namespaces/openebs
lvm() {
    "$1" --noheadings --units b --nosuffix --separator ' ' -o "$2" "${@:3}" | sed 's/^ *//'
}

join_network
mkdir -p "$live"
lvm vgs vg_name,vg_uuid,vg_size,vg_free,vg_missing_pv_count,pv_count >"$live/vgs"
lvm pvs pv_name,vg_name >"$live/pvs"
lvm lvs vg_name,lv_name,lv_size >"$live/lvs"
await ask_cluster GET /readyz
read -r group uuid size free missing disks <"$live/vgs"
ask_cluster POST "$objects/lvmnodes" '{"apiVersion": "local.openebs.io/v1alpha1", "kind": "LVMNode",
    "metadata": {"name": "here"}, "volumeGroups": [{"name": "'"$group"'", "uuid": "'"$uuid"'", "size": "'"$size"'",
    "free": "'"$free"'", "missingPvCount": '"$missing"', "pvCount": '"$disks"'}]}'
read -r group name size <"$live/lvs"
ask_cluster POST "$objects/lvmvolumes" '{"apiVersion": "local.openebs.io/v1alpha1", "kind": "LVMVolume",
    "metadata": {"name": "'"$name"'"}, "spec": {"capacity": "'"$size"'", "ownerNodeID": "here", "volGroup": "'"$group"'",
    "vgPattern": "^storage$"}, "status": {"state": "Ready"}}'

serve --role all --host-id here --kubeconfig /probe/cluster/kubeconfig
await on_page agree 'pool="storage",state="healthy"'
await on_page agree 'pool_capacity_bytes{engine="lvm-localpv"'
await on_page agree 'persistentvolumeclaim="folder",persistentvolume="pvc-folder",engine="localpv-hostpath"'
await on_page agree 'persistentvolumeclaim="folder",persistentvolume="pvc-folder",device='
scrape agree
ask_report agree

# The object says that the volume is elsewhere.
ask_cluster PATCH "$objects/lvmvolumes/$name" '{"spec": {"ownerNodeID": "there", "volGroup": "other"}}'
await on_page contradicted 'told="other"'
scrape contradicted
ask_report contradicted
ask_cluster PATCH "$objects/lvmvolumes/$name" '{"spec": {"ownerNodeID": "here", "volGroup": "storage"}}'
await not_on_page healed volume_engine_disagreement{
scrape healed

# Whoever goes to the folders now finds another disk, and the pod is still on the first.
mount_new ext4 "$(disk later)" /var/openebs/local
note later "$(basename "$(disk later)")"
scrape covered
ask_report covered
stop_serving
