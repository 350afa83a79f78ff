#!/bin/sh
# Links what is shipped: the functions that run side by side, in the order of image/order.txt, and without tables for unwinding.
#
# The kernel maps a program's file in runs of 16 pages around each one that is touched. In a node's process a seventh of the code runs, and
# where it lies among the rest most of the file is mapped. Side by side it is a third of that: 2 MB of memory less.
#
# A name in the list ends in a hash of its crate's version and the compiler's. Where that has changed, the function of the same name
# without its hash is taken; where there are several or none, nothing is. So an old list costs memory, and nothing else.
# image/order.sh makes it anew.
#
# Functions whose code is the same are there once, which is a hundredth of the program. Rust promises no function an address of its own, and is
# linked so on Windows.
#
# What is shipped ends at a panic and unwinds nothing. The tables would be a tenth of the program.
#
# rustc runs this in place of the C compiler, which is $STORAGE_PROBE_CC or cc. The order needs LLD, which comes with Rust; where it is
# missing, the order is left to the linker that is there.
set -eu
order=$(dirname "$0")/order.txt
compiler=${STORAGE_PROBE_CC:-cc}
objcopy=${compiler%gcc}
objcopy=${objcopy%cc}objcopy
lld=$(rustc --print sysroot)/lib/rustlib/$(rustc --print host-tuple)/bin/gcc-ld

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
output= previous=
for argument in "$@"; do
    [ "$previous" = -o ] && output=$argument
    previous=$argument
    case $argument in
    *.o | *.rlib) nm --format=just-symbols "$argument" 2>/dev/null || true ;;
    esac
done >"$work/symbols"

set -- "$@" -Wl,--no-eh-frame-hdr
if [ -x "$lld/ld.lld" ]; then
    awk '
        function bare(name) { sub(/17h[0-9a-f]+E$/, "E", name); return name }
        FNR == NR { if (!($1 in there)) { there[$1]; same[bare($1)] = $1; alike[bare($1)]++ } next }
        $1 in there { print $1; next }
        alike[bare($1)] == 1 { print same[bare($1)]; next }
        # Functions of the C library are in archives that are not searched here.
        bare($1) == $1 { print $1 }
    ' "$work/symbols" "$order" | awk '!seen[$0]++' >"$work/order"
    set -- "$@" "-B$lld" -fuse-ld=lld "-Wl,--symbol-ordering-file=$work/order,--no-warn-symbol-ordering" -Wl,--icf=all,-O2
fi
"$compiler" "$@"
"$objcopy" --remove-section=.eh_frame --remove-section=.gcc_except_table "$output"
