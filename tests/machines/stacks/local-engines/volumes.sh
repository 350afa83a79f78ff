# shellcheck shell=bash
# Both engines' volumes in a pod. LVM LocalPV stages nothing: it mounts the device in the pod's folder.
driver=local.csi.openebs.io
at_pod pvc-logical 1 ext4 /dev/storage/pvc-logical
mkdir /var/openebs/local/pvc-folder
put 4M /var/openebs/local/pvc-folder/file
local_volume pvc-folder 1 /var/openebs/local/pvc-folder
