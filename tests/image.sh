#!/bin/sh
# Builds the image that is shipped, and runs it as the manifests say: with the runtime's seccomp profile and with its own, which is held
# against the calls that the program makes. Run it as root; what is missing is installed.
set -eu
cd "$(dirname "$0")/.."

missing=
for part in buildah:buildah podman:podman runc:runc conmon:conmon strace:strace; do
    command -v "${part%:*}" >/dev/null || missing="$missing ${part#*:}"
done
if [ -n "$missing" ]; then
    echo "installing:$missing"
    export DEBIAN_FRONTEND=noninteractive
    apt-get update -q
    # The names are words of their own.
    # shellcheck disable=SC2086
    apt-get install -y -q --no-install-recommends $missing
fi

image/build.sh
cargo test "$@" --no-fail-fast --test image -- --ignored --test-threads=1
WITH_SECCOMP_PROFILE=1 cargo test "$@" --no-fail-fast --test image -- --ignored --test-threads=1
TESTED_PROGRAM=$PWD/$(image/binary.sh)
export TESTED_PROGRAM
exec cargo test "$@" --test seccomp -- --ignored
