#!/usr/bin/env bash
# Builds the one static program that the image holds, and prints its path.
#
# The same sources give the same bytes, wherever they lie and whoever builds: paths are cut from the program, and of the
# surroundings only the commit (STORAGE_PROBE_REVISION) and the compiler's version are in it.
#
#   image/binary.sh            for this machine's architecture
#   image/binary.sh arm64      for another: amd64 or arm64
#   STORAGE_PROBE_NAMES=1 image/binary.sh      with the names of its functions
#
# With musl's standard library (`rustup target add x86_64-unknown-linux-musl`) the program is made with that; where it is
# missing, with glibc, linked statically. For another architecture than this machine's, the standard library of that target
# and a linker and C compiler for it (Debian: gcc-aarch64-linux-gnu, libc6-dev-arm64-cross) must be there.
set -euo pipefail
cd "$(dirname "$0")/.."

fail() {
    echo "image/binary.sh: $*" >&2
    exit 1
}

own=$(uname -m)
case ${1:-$own} in
amd64 | x86_64) machine=x86_64 gcc=x86_64-linux-gnu-gcc ;;
arm64 | aarch64) machine=aarch64 gcc=aarch64-linux-gnu-gcc ;;
*) fail "architectures are amd64 and arm64, not $1" ;;
esac

has_std() {
    [ -n "$(find "$(rustc --print target-libdir --target "$1")" -name 'libstd-*.rlib' 2>/dev/null)" ]
}

if has_std "$machine-unknown-linux-musl"; then
    target=$machine-unknown-linux-musl
elif has_std "$machine-unknown-linux-gnu"; then
    target=$machine-unknown-linux-gnu
else
    fail "no standard library for $machine: rustup target add $machine-unknown-linux-musl"
fi
if [ "$machine" != "$own" ]; then
    command -v "$gcc" >/dev/null || fail "no compiler for $machine: Debian's gcc-${machine//_/-}-linux-gnu has $gcc"
    variable=${target//-/_}
    export "STORAGE_PROBE_CC=$gcc" "CC_$variable=$gcc"
fi

SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct)}
STORAGE_PROBE_REVISION=${STORAGE_PROBE_REVISION:-$(git rev-parse HEAD)}
STORAGE_PROBE_RUSTC=$(rustc --version | cut -d' ' -f2)
cargo_home=${CARGO_HOME:-$HOME/.cargo}
# Packed relocations save half a megabyte of a program that can be loaded anywhere.
RUSTFLAGS="-C target-feature=+crt-static -C link-arg=-Wl,-z,pack-relative-relocs -C linker=$PWD/image/linker.sh --remap-path-prefix=$PWD=/src --remap-path-prefix=$cargo_home=/cargo"
# With names the program can be asked which functions run; all else of it is the same.
if [ -n "${STORAGE_PROBE_NAMES:-}" ]; then
    RUSTFLAGS="$RUSTFLAGS -C strip=none"
    CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-target}/names
    export CARGO_TARGET_DIR
fi
# What C there is (of the cryptography) has paths in it as well.
CFLAGS="-ffile-prefix-map=$cargo_home=/cargo -ffile-prefix-map=$PWD=/src"
export SOURCE_DATE_EPOCH STORAGE_PROBE_REVISION STORAGE_PROBE_RUSTC RUSTFLAGS CFLAGS
program=${CARGO_TARGET_DIR:-target}/$target/dist/scope-storage-probe
# Cargo does not know of the list that the linker reads.
if [ -e "$program" ] && [ image/order.txt -nt "$program" ]; then
    touch src/main.rs
fi
cargo build --profile dist --locked --target "$target" --bin scope-storage-probe >&2

if readelf --program-headers "$program" | grep -q INTERP; then
    fail "$program is not static"
fi
echo "$program"
