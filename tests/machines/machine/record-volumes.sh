#!/bin/bash
# record-volumes.sh FOLDER: what the usual tools say of every pod's volume in /probe/volumes, and at the same moment what
# scope-storage-probe says. FOLDER/volumes/N is about line N; FOLDER/steps gets a line for each question.
set -uo pipefail
out=$1
mkdir -p "$out/volumes"
# shellcheck source=tests/machines/machine/ask.sh
. /probe/machine/ask.sh

# A device with all that it is made of; of a loop device also the file, and what that lies on.
below() {
    local name=$1 prefix=$2 device=$3 file place
    ask "$name-$prefix" "volumes/$name/$prefix.lsblk.json" \
        lsblk -s -J -b -o NAME,KNAME,MAJ:MIN,TYPE,SIZE,RO,SERIAL,WWN "$device"
    for file in $(lsblk -s -n -r -o KNAME,TYPE "$device" | sed -n 's/ loop$//p' | sort -u); do
        place=$(losetup -n -O BACK-FILE "/dev/$file")
        place=${place% (deleted)}
        # What the kubelet holds on a raw block volume is the device itself.
        [ ! -b "$place" ] || continue
        ask "$name-$prefix-$file" "volumes/$name/$prefix.$file.findmnt.json" \
            findmnt -J -v -o SOURCE,FSTYPE,MAJ:MIN --target "${place%/*}"
        device=$(findmnt -n -v -o SOURCE --target "${place%/*}" | tail -n 1)
        [ ! -b "$device" ] || below "$name" "$prefix.$file" "$device"
    done
}

members() {
    btrfs filesystem show --raw "$1" | sed -n 's/.* path //p'
}

number=0
while IFS=$'\t' read -r _ _ _ mode _ path; do
    number=$((number + 1))
    mkdir -p "$out/volumes/$number"
    case $mode in
    Block)
        below "$number" device "$(readlink -f "$path")"
        ;;
    *)
        where=--mountpoint
        [ "$mode" = Filesystem ] || where=--target
        ask "$number-findmnt" "volumes/$number/findmnt.json" \
            findmnt -J -b -v -o TARGET,SOURCE,FSTYPE,OPTIONS,FSROOT,MAJ:MIN "$where" "$path"
        read -r fstype device < <(findmnt -n -v -r -o FSTYPE,SOURCE "$where" "$path" | tail -n 1)
        if [ "$fstype" = btrfs ]; then
            at=0
            for device in $(members "$path"); do
                at=$((at + 1))
                below "$number" "device$at" "$device"
            done
        elif [ -b "$device" ]; then
            below "$number" device "$device"
        fi
        ask "$number-stat" "volumes/$number/stat" stat -f -c '%T %S %b %f %a %c %d' "$path"
        ;;
    esac
done </probe/volumes
cp /probe/volumes "$out/volumes/laid"

# Before and after the program: a figure that moved meanwhile is one or the other. One line for each volume, in order.
mapfile -t mounted < <(awk -F '\t' '$4 != "Block" { print $6 }' /probe/volumes)
figures() {
    ask "df-$1" "volumes/df-$1" df -B1 --output=size,used,avail,itotal,iused,iavail,fstype,source,target "${mounted[@]}"
}
figures before
if [ -x /probe/scope-storage-probe ]; then
    ask volumes-tree volumes/tree.json /probe/scope-storage-probe tree --json
    ask volumes-metrics volumes/metrics.txt /probe/scope-storage-probe metrics
    ask volumes-report volumes/report.json /probe/scope-storage-probe report
fi
figures after

ask volumes-lsblk volumes/lsblk.json lsblk -J -b -o "$columns"
ask volumes-findmnt volumes/findmnt.json findmnt -J -v -l -o ID,PARENT,MAJ:MIN,FSROOT,TARGET,SOURCE,FSTYPE,OPTIONS
ask_stacks volumes/
