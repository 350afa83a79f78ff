#!/bin/bash
# record.sh FOLDER STACK: what the kernel and the usual tools say of this machine's block devices, and at the same
# moment what scope-storage-probe says. Each answer is a file; FOLDER/steps gets a line `NAME EXIT-CODE DURATION` for each.
set -u
out=$1 stack=$2

# shellcheck source=tests/machines/machine/ask.sh
. /probe/machine/ask.sh

ask lsblk lsblk.json lsblk -J -b -o "$columns"
# Also those that lsblk hides by default: empty slots and RAM disks.
ask lsblk-all lsblk-all.json lsblk -J -b -a -o "$columns"
ask findmnt findmnt.json findmnt -J -l -o ID,PARENT,MAJ:MIN,FSROOT,TARGET,SOURCE,FSTYPE,OPTIONS
ask mountinfo mountinfo cat /proc/1/mountinfo
ask swaps swaps cat /proc/swaps
ask partitions partitions cat /proc/partitions
ask diskstats diskstats cat /proc/diskstats

if [ -x /probe/scope-storage-probe ]; then
    ask tree tree.json /probe/scope-storage-probe tree --json
    ask metrics metrics.txt /probe/scope-storage-probe metrics
    ask report report.json /probe/scope-storage-probe report
fi

ask kernel-log kernel-log.txt dmesg

# What counted up between these two while the program was asked is noise.
ask diskstats-after diskstats-after cat /proc/diskstats
ask capture capture.txt sh /probe/capture.sh "$stack"

ask_stacks ''
if [ -e /run/multipathd.sock ] || [ -d /sys/module/dm_multipath ]; then
    ask multipath multipath.txt multipath -ll
fi
if [ -d /sys/module/nvme_core ]; then
    ask nvme nvme.json nvme list-subsys -o json
fi
if [ -e /sys/class/iscsi_session ] && [ -n "$(ls /sys/class/iscsi_session)" ]; then
    ask iscsi iscsi.txt iscsiadm -m session
fi
