# shellcheck shell=bash
# Disks that this machine serves to itself: over iSCSI, NVMe over TCP and nbd; and one in compressed memory.
modprobe -a loop iscsi_target_mod target_core_file target_core_mod iscsi_tcp nvmet nvmet_tcp nvme_tcp zram
modprobe nbd nbds_max=1
mount_new ext4 "$(disk plain)" /srv/plain
for file in iscsi nvme nbd; do
    truncate -s 100M "/srv/plain/$file"
done
mountpoint -q /sys/kernel/config || mount -t configfs configfs /sys/kernel/config

# iSCSI: a file as logical unit 3 of a target.
target=iqn.2026-01.example:disks
store=/sys/kernel/config/target/core/fileio_0/file
mkdir -p "$store"
echo fd_dev_name=/srv/plain/iscsi,fd_dev_size=104857600 >"$store/control"
echo ISCSI-SERIAL-18 >"$store/wwn/vpd_unit_serial"
echo 1 >"$store/enable"
group=/sys/kernel/config/target/iscsi/$target/tpgt_1
mkdir -p "$group/lun/lun_3" "$group/np/127.0.0.1:3260"
ln -s "$store" "$group/lun/lun_3/file"
echo 0 >"$group/attrib/authentication"
echo 1 >"$group/attrib/generate_node_acls"
echo 0 >"$group/attrib/demo_mode_write_protect"
echo 1 >"$group/enable"
echo InitiatorName=iqn.2026-01.example:node >/etc/iscsi/initiatorname.iscsi
mkdir -p /run/lock/iscsi
iscsid
await iscsiadm -m discovery -t sendtargets -p 127.0.0.1
iscsiadm -m node -T "$target" -p 127.0.0.1 --login
iscsi=/dev/disk/by-path/ip-127.0.0.1:3260-iscsi-$target-lun-3
await test -b "$iscsi"

# NVMe over TCP: a loop device on a file as namespace 1 of a subsystem.
subsystem=/sys/kernel/config/nvmet/subsystems/nqn.2026-01.example:disks
mkdir -p "$subsystem/namespaces/1"
echo 1 >"$subsystem/attr_allow_any_host"
echo NVMETCP18 >"$subsystem/attr_serial"
losetup --show --find /srv/plain/nvme >"$subsystem/namespaces/1/device_path"
echo 1 >"$subsystem/namespaces/1/enable"
port=/sys/kernel/config/nvmet/ports/1
mkdir -p "$port"
echo tcp >"$port/addr_trtype"
echo ipv4 >"$port/addr_adrfam"
echo 127.0.0.1 >"$port/addr_traddr"
echo 4420 >"$port/addr_trsvcid"
ln -s "$subsystem" "$port/subsystems/disks"
nvme connect -t tcp -a 127.0.0.1 -s 4420 -n nqn.2026-01.example:disks
nvme_disk() {
    local found
    found=$(grep -l -s NVMETCP18 /sys/block/nvme*/device/serial) && echo "/dev/$(basename "${found%/device/serial}")"
}
await nvme_disk

# nbd.
cat >/etc/nbd-server/config <<'CONFIGURATION'
[generic]
user = root
group = root
[disk]
exportname = /srv/plain/nbd
CONFIGURATION
nbd-server
await nbd-client -N disk 127.0.0.1 /dev/nbd0

# Memory.
echo 64M >/sys/block/zram0/disksize
settle
mount_new ext4 "$iscsi" /srv/iscsi
mount_new ext4 "$(nvme_disk)" /srv/nvme
mount_new ext4 /dev/nbd0 /srv/nbd
mount_new ext4 /dev/zram0 /srv/zram
