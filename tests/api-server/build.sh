#!/bin/bash
# Prints a folder that holds `etcd` and `kube-apiserver`, and makes it where there is none yet.
#
# $KUBEBUILDER_ASSETS, where it is set, names such a folder: any version of both can be tested with. Otherwise kube-apiserver
# is built once from Debian's source package, beside Debian's etcd, and kept in $STORAGE_PROBE_API_SERVER_CACHE, or else in the user's
# cache (~/.cache/scope-storage-probe), so that each checkout need not build its own; built anew when this script changes.
# That needs root (it installs the packages it lacks), Debian, a reachable Debian mirror, 3 GB of disk, and on two
# cores some six minutes.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
cache=${STORAGE_PROBE_API_SERVER_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/scope-storage-probe/api-server}
release=bookworm

say() { echo "build.sh: $*" >&2; }
fail() {
    say "$*"
    exit 1
}

if [ -n "${KUBEBUILDER_ASSETS:-}" ]; then
    for part in etcd kube-apiserver; do
        [ -x "$KUBEBUILDER_ASSETS/$part" ] || fail "KUBEBUILDER_ASSETS=$KUBEBUILDER_ASSETS holds no $part"
    done
    echo "$KUBEBUILDER_ASSETS"
    exit
fi

mkdir -p "$cache"
cache=$(cd "$cache" && pwd)
# Two test runs that start together build once.
exec 9>"$cache/lock"
flock 9
made_by=$(sha256sum "$here/build.sh" | cut -d' ' -f1)
if [ "$(cat "$cache/made-by" 2>/dev/null || true)" = "$made_by" ]; then
    echo "$cache/bin"
    exit
fi

[ "$(id -u)" = 0 ] || fail "needs root to install packages; or name a folder with etcd and kube-apiserver in KUBEBUILDER_ASSETS"
work=$cache/work
rm -rf "$work" "$cache/bin" "$cache/made-by"
mkdir -p "$work/lists/partial" "$work/packages" "$cache/bin"

say "installing what the build needs"
"$here/../packages.sh" install /usr/lib/go-1.19/bin/go:golang-1.19-go \
    /usr/share/gocode/src/github.com/modern-go/reflect2:golang-github-modern-go-reflect2-dev \
    dpkg-source:dpkg-dev rsync:rsync make:make jq:jq /usr/include/stdio.h:libc6-dev gcc:gcc
"$here/../packages.sh" update

say "taking etcd out of Debian's package (installed, it would start itself)"
(cd "$work/packages" && apt-get download -q etcd-server >&2 && dpkg-deb --extract etcd-server_*.deb etcd)
install -m 755 "$work/packages/etcd/usr/bin/etcd" "$cache/bin/etcd"

say "fetching the source of kube-apiserver"
# Lists of our own, so that the system's stay as they are: its entries for this release, asked for sources.
mkdir -p "$work/sources"
find /etc/apt -name '*.list' -exec cat {} + | awk -v release="$release" '
    $1 == "deb" { for (at = 2; at <= NF; at++) if ($at == release) { sub(/^deb/, "deb-src"); print; next } }' >"$work/sources/debian.list"
find /etc/apt -name '*.sources' -exec awk -v release="$release" '
    BEGIN { RS = ""; FS = "\n" }
    { wanted = 0
      for (at = 1; at <= NF; at++) {
          if ($at ~ /^Types:/) $at = "Types: deb-src"
          if ($at ~ /^Suites:/ && (" " substr($at, 8) " ") ~ (" " release " ")) wanted = 1
      }
      if (wanted) { for (at = 1; at <= NF; at++) print $at; print "" } }' {} \; >"$work/sources/debian.sources"
[ -s "$work/sources/debian.list" ] || [ -s "$work/sources/debian.sources" ] ||
    fail "no entry for $release in /etc/apt: this machine's packages are another release's"
apt=(-o Dir::Etc::sourcelist=/dev/null -o "Dir::Etc::sourceparts=$work/sources" -o "Dir::State::lists=$work/lists"
    -o APT::Sandbox::User=root)
apt-get -q "${apt[@]}" update >&2
(cd "$work" && apt-get -q "${apt[@]}" source --download-only kubernetes >&2)
dpkg-source --no-check --extract "$work"/kubernetes_*.dsc "$work/tree" >&2

tree=$work/gopath/src/k8s.io/kubernetes
mkdir -p "$(dirname "$tree")"
mv "$work/tree" "$tree"

# reflect2 1.0.1 reads the runtime's memory in a way that ended with Go 1.18; Debian has the version that knows.
rm -rf "$tree/vendor/github.com/modern-go/reflect2"
cp -r /usr/share/gocode/src/github.com/modern-go/reflect2 "$tree/vendor/github.com/modern-go/reflect2"

# This validator takes every zero value for null, and so refuses a custom resource with an empty string in it.
validator=$tree/vendor/k8s.io/kube-openapi/pkg/validation/validate/type.go
if [ -e "$validator" ]; then
    sed -i 's/if data == nil || reflect\.DeepEqual(reflect\.Zero(reflect\.TypeOf(data)), reflect\.ValueOf(data)) {/if data == nil {/' "$validator"
    sed -i 's/if data == nil || reflect\.DeepEqual(reflect\.Zero(reflect\.TypeOf(data)), data) {/if data == nil {/' "$validator"
fi

version=$(sed -n 's/^Version: .*really\([0-9.]*\).*/\1/p' "$work"/kubernetes_*.dsc | head -1)
[ -n "$version" ] || version=$(sed -n 's/^Version: \([0-9.]*\).*/\1/p' "$work"/kubernetes_*.dsc | head -1)
cat >"$work/version" <<END
KUBE_GIT_COMMIT='0000000000000000000000000000000000000000'
KUBE_GIT_TREE_STATE='archive'
KUBE_GIT_VERSION='v$version'
KUBE_GIT_MAJOR='${version%%.*}'
KUBE_GIT_MINOR='$(echo "$version" | cut -d. -f2)'
END

say "building kube-apiserver $version; the log is $cache/build.log"
(
    cd "$tree"
    # Cargo sets OUT_DIR for the tests of a package that has a build script; Kubernetes' Makefile would take it for its own.
    unset OUT_DIR MAKEFLAGS
    export PATH=/usr/lib/go-1.19/bin:$PATH GOPATH=$work/gopath GOCACHE=$work/go-cache GO111MODULE=off GOFLAGS= GOPROXY=off \
        CGO_ENABLED=0 KUBE_GIT_VERSION_FILE=$work/version
    make WHAT=cmd/kube-apiserver
) >"$cache/build.log" 2>&1 || {
    tail -30 "$cache/build.log" >&2
    fail "the build failed; the whole log is $cache/build.log"
}
install -m 755 "$(find "$tree/_output" -type f -name kube-apiserver | head -1)" "$cache/bin/kube-apiserver"
"$cache/bin/kube-apiserver" --version >&2
chmod -R u+w "$work"
rm -rf "$work"
echo "$made_by" >"$cache/made-by"
echo "$cache/bin"
