# shellcheck shell=bash
# An export that is one volume, of the plugin that Kubernetes has had from the beginning; and a CSI driver's two folders of
# another export, one of them with many pods: more than there may ever be threads that ask.
mount_nfs() {
    mount -t nfs4 -o vers=4.2,hard,timeo=50 "10.9.0.1:$1" "$2"
}
mount_nfs /srv/alone "$(in_tree nfs nfs-alone 1)"
mkdir -p /run/csi/one /run/csi/two
mount_nfs /srv/both/one /run/csi/one
mount_nfs /srv/both/two /run/csi/two
publish_from /run/csi/two csi-two 1
for number in {1..20}; do
    publish_from /run/csi/one csi-one "$number"
done
local_volume local-both 2 /srv/both
empty_dir memory 1 4M
