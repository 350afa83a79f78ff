#!/bin/sh
# Builds the image that is shipped, and runs it as the manifests say: with the runtime's seccomp profile and with its own, which is held
# against the calls that the program makes. Run it as root; what is missing is installed.
set -eu
cd "$(dirname "$0")/.."

tests/packages.sh install buildah:buildah podman:podman runc:runc conmon:conmon strace:strace

image/build.sh
cargo test "$@" --no-fail-fast --test image -- --ignored --test-threads=1
WITH_SECCOMP_PROFILE=1 cargo test "$@" --no-fail-fast --test image -- --ignored --test-threads=1
TESTED_PROGRAM=$PWD/$(image/binary.sh)
export TESTED_PROGRAM
exec cargo test "$@" --test seccomp -- --ignored
