#!/usr/bin/env python3
"""Compresses the layers of an OCI layout once more, with zopfli: still gzip, which every runtime reads, and 3 % smaller.

    image/denser.py FOLDER

The layout has one image, as `buildah push` makes it. What is in a layer stays as it is, so that the configuration, which names layers by
what is in them, does too; the manifest and the index name the new blobs. The same layout gives the same bytes.
"""

import gzip
import hashlib
import json
import pathlib
import subprocess
import sys
import tempfile


def blob(layout, descriptor):
    return layout / "blobs" / descriptor["digest"].replace(":", "/", 1)


def put(layout, descriptor, content):
    """Stores the content in the place of what the descriptor names."""
    blob(layout, descriptor).unlink()
    descriptor["digest"] = "sha256:" + hashlib.sha256(content).hexdigest()
    descriptor["size"] = len(content)
    blob(layout, descriptor).write_bytes(content)


def main(layout):
    index = json.loads((layout / "index.json").read_text())
    (of_image,) = index["manifests"]
    manifest = json.loads(blob(layout, of_image).read_text())
    configuration = json.loads(blob(layout, manifest["config"]).read_text())
    named = configuration["rootfs"]["diff_ids"]
    if len(named) != len(manifest["layers"]):
        sys.exit(f"image/denser.py: {layout} has {len(manifest['layers'])} layers and names {len(named)}")
    for descriptor, name in zip(manifest["layers"], named):
        packed = blob(layout, descriptor)
        # zopfli asks for the length before it reads: a pipe has none.
        with tempfile.NamedTemporaryFile() as plain:
            plain.write(gzip.decompress(packed.read_bytes()))
            plain.flush()
            denser = subprocess.run(["zopfli", "--i5", "-c", plain.name], stdout=subprocess.PIPE, check=True).stdout
        if "sha256:" + hashlib.sha256(gzip.decompress(denser)).hexdigest() != name:
            sys.exit(f"image/denser.py: {packed} is not the layer that the configuration names")
        put(layout, descriptor, denser)
    put(layout, of_image, json.dumps(manifest, separators=(",", ":")).encode())
    (layout / "index.json").write_text(json.dumps(index, separators=(",", ":")))


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]))
