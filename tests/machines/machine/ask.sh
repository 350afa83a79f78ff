# shellcheck shell=bash
# Words of the scripts that record. $out is the folder of the answers.

# ask NAME FILE COMMAND…: the answer goes into FILE, and a line `NAME EXIT-CODE DURATION` into `steps`.
ask() {
    local name=$1 file=$2 code=0 began=${EPOCHREALTIME/./}
    shift 2
    timeout 60 "$@" >"$out/$file" 2>"$out/$name.err" || code=$?
    [ -s "$out/$name.err" ] || rm -f "$out/$name.err"
    echo "$name $code $(((${EPOCHREALTIME/./} - began) / 1000)) ms" >>"$out/steps"
}

columns=NAME,KNAME,MAJ:MIN,PKNAME,TYPE,SIZE,SERIAL,WWN,MODEL,VENDOR,REV,TRAN,ROTA,RO,FSTYPE,UUID,LABEL,MOUNTPOINTS,FSROOTS

# ask_stacks PREFIX: what device mapper and md say of what they are made of.
ask_stacks() {
    local array name step=${1%/}
    step=${step:+$step-}
    if [ -d /sys/module/dm_mod ]; then
        ask "${step}dmsetup-info" "${1}dmsetup-info.txt" dmsetup info -c --separator ' ' -o name,uuid,major,minor,open
        ask "${step}dmsetup-deps" "${1}dmsetup-deps.txt" dmsetup deps -o devname
        ask "${step}dmsetup-table" "${1}dmsetup-table.txt" dmsetup table
    fi
    if [ -e /proc/mdstat ]; then
        ask "${step}mdstat" "${1}mdstat" cat /proc/mdstat
        for array in /sys/block/md*; do
            [ -e "$array/md" ] || continue
            name=${array##*/}
            ask "${step}mdadm-$name" "${1}mdadm-$name.txt" mdadm --detail "/dev/$name"
        done
    fi
}
