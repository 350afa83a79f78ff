#!/usr/bin/env bash
# Builds the image into target/image/oci (an OCI layout, for `skopeo copy oci:target/image/oci:VERSION docker://…`), with the list
# of what is in it beside it (target/image/sbom.json, CycloneDX), and prints its digest. The same commit gives the same digest.
#
#   image/build.sh             this machine's architecture, tagged with the version
#   image/build.sh arm64       another: see image/binary.sh
#
# Needs root, or the rights for user namespaces, and Debian's buildah and zopfli, which are installed where they are missing.
set -euo pipefail
cd "$(dirname "$0")/.."
most=5000000

tests/packages.sh install buildah:buildah zopfli:zopfli

architecture=${1:-$(dpkg --print-architecture)}
program=$(image/binary.sh "$architecture")
version=$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -1)
epoch=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct)}
revision=${STORAGE_PROBE_REVISION:-$(git rev-parse HEAD)}

work=target/image
rm -rf "$work/context" "$work/oci"
mkdir -p "$work/context"
install -m 555 "$program" "$work/context/scope-storage-probe"
image/sbom.py "$version" "$revision" >"$work/sbom.json"

# vfs works everywhere, in containers too, and of one file it costs nothing.
buildah=(buildah --storage-driver vfs --root "$PWD/$work/storage" --runroot "$PWD/$work/run")
label=org.opencontainers.image
"${buildah[@]}" build --quiet --format oci --isolation chroot --arch "$architecture" --timestamp "$epoch" \
    --label "$label.title=scope-storage-probe" \
    --label "$label.description=From a pod's claim down to the physical disk: Weave Scope plugin and Prometheus exporter" \
    --label "$label.licenses=Apache-2.0" \
    --label "$label.version=$version" \
    --label "$label.revision=$revision" \
    --label "$label.created=$(date -u -d "@$epoch" +%Y-%m-%dT%H:%M:%SZ)" \
    --file image/Containerfile --tag "scope-storage-probe:$version" "$work/context" >&2
"${buildah[@]}" push --quiet --format oci --compression-format gzip --compression-level 9 \
    "scope-storage-probe:$version" "oci:$work/oci:$version" >&2
image/denser.py "$work/oci"

bytes=$(cat "$work"/oci/blobs/sha256/* | wc -c)
[ "$bytes" -le "$most" ] || {
    echo "image/build.sh: the image has $bytes bytes, and may have $most" >&2
    exit 1
}
echo "image/build.sh: scope-storage-probe:$version, $bytes bytes compressed" >&2
sed -n 's/.*"digest":"\(sha256:[0-9a-f]*\)".*/\1/p' "$work/oci/index.json"
