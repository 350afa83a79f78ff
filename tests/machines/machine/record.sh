#!/bin/bash
# record.sh FOLDER STACK: what the kernel and the usual tools say of this machine's block devices, and at the same
# moment what scope-storage-probe says. Each answer is a file; FOLDER/steps gets a line `NAME EXIT-CODE DURATION` for each.
set -u
out=$1 stack=$2

# ask NAME FILE COMMAND…
ask() {
    local name=$1 file=$2 code=0 began=${EPOCHREALTIME/./}
    shift 2
    timeout 60 "$@" >"$out/$file" 2>"$out/$name.err" || code=$?
    [ -s "$out/$name.err" ] || rm -f "$out/$name.err"
    echo "$name $code $(((${EPOCHREALTIME/./} - began) / 1000)) ms" >>"$out/steps"
}

columns=NAME,KNAME,MAJ:MIN,PKNAME,TYPE,SIZE,SERIAL,WWN,MODEL,VENDOR,REV,TRAN,ROTA,RO,FSTYPE,UUID,LABEL,MOUNTPOINTS,FSROOTS
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

if [ -d /sys/module/dm_mod ]; then
    ask dmsetup-info dmsetup-info.txt dmsetup info -c --separator ' ' -o name,uuid,major,minor,open
    ask dmsetup-deps dmsetup-deps.txt dmsetup deps -o devname
    ask dmsetup-table dmsetup-table.txt dmsetup table
fi
if [ -e /proc/mdstat ]; then
    ask mdstat mdstat cat /proc/mdstat
    for array in /sys/block/md*; do
        [ -e "$array/md" ] || continue
        name=${array##*/}
        ask "mdadm-$name" "mdadm-$name.txt" mdadm --detail "/dev/$name"
    done
fi
if [ -e /run/multipathd.sock ] || [ -d /sys/module/dm_multipath ]; then
    ask multipath multipath.txt multipath -ll
fi
if [ -d /sys/module/nvme_core ]; then
    ask nvme nvme.json nvme list-subsys -o json
fi
