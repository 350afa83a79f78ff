# shellcheck shell=bash
# What is read and written over NFS is counted; then the server falls silent, and comes back.
alone=$kubelet/pods/$(pod 1)/volumes/kubernetes.io~nfs/nfs-alone
put 3M "$alone/file"
serve
scrape io-before
dd if=/dev/zero of="$alone/file" bs=64k count=24 oflag=direct conv=notrunc status=none
dd if="$alone/file" of=/dev/null bs=64k count=16 iflag=direct status=none
note nfs-alone written 1572864 read 1048576
scrape io-after

scrape healthy 10
ask_report healthy 15
footprint healthy
ip netns exec filer tc qdisc add dev eth0 root netem loss 100%
# The first that ask find it out.
scrape falling-silent 2
ask_report falling-silent
sleep 1
footprint silent-early
scrape silent 10
ask_report silent 60
footprint silent-late

ip netns exec filer tc qdisc del dev eth0 root
recovered() {
    scrape recovered
    ! grep -q 'volume_stats_error{' "$live/recovered.metrics"
}
await recovered
ask_report recovered
footprint recovered
stop_serving
