# shellcheck shell=bash
# A file server in a network namespace of its own, with two file systems: this machine is its client.
modprobe -a nfsd nfs nfsv4 veth sch_netem
mount_new ext4 "$(disk alone)" /srv/alone
mount_new ext4 "$(disk both)" /srv/both
mkdir /srv/both/one /srv/both/two
cat >/etc/exports <<'EXPORTS'
/srv/alone *(rw,no_root_squash,no_subtree_check,insecure,fsid=1)
/srv/both *(rw,no_root_squash,no_subtree_check,insecure,fsid=2)
EXPORTS

ip netns add filer
ip link add filer0 type veth peer name eth0 netns filer
ip address add 10.9.0.2/24 dev filer0
ip link set filer0 up
ip netns exec filer bash -euo pipefail -c '
    ip link set lo up
    ip address add 10.9.0.1/24 dev eth0
    ip link set eth0 up
    mount -t nfsd nfsd /proc/fs/nfsd
    echo 10 >/proc/fs/nfsd/nfsv4leasetime
    echo 10 >/proc/fs/nfsd/nfsv4gracetime
    exportfs -ra
    rpc.mountd --no-nfs-version 2 --no-nfs-version 3
    rpc.nfsd --no-nfs-version 3 --no-udp --host 10.9.0.1 2'
