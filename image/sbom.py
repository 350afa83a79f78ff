#!/usr/bin/env python3
"""What is in the program, in CycloneDX 1.5: image/sbom.py VERSION REVISION

The crates are those that cargo builds into it (no tests', no build scripts' own), with the checksums of Cargo.lock. Nothing in
it depends on when and where it was made.
"""

import json
import subprocess
import sys
import tomllib

version, revision = sys.argv[1:]
with open("Cargo.lock", "rb") as file:
    checksums = {(p["name"], p["version"]): p.get("checksum") for p in tomllib.load(file)["package"]}

told = subprocess.run(
    ["cargo", "tree", "--locked", "--edges", "normal", "--prefix", "none", "--format", "{p}|{l}"],
    check=True, capture_output=True, text=True,
).stdout
components = []
for line in sorted({line.removesuffix(" (*)") for line in told.splitlines()}):
    crate, licence = line.split("|")
    name, number = crate.split()[:2]
    number = number.removeprefix("v")
    if name == "scope-storage-probe":
        continue
    component = {
        "type": "library",
        "bom-ref": f"pkg:cargo/{name}@{number}",
        "name": name,
        "version": number,
        "purl": f"pkg:cargo/{name}@{number}",
    }
    if checksum := checksums.get((name, number)):
        component["hashes"] = [{"alg": "SHA-256", "content": checksum}]
    if licence := licence.replace("/", " OR ").strip():
        component["licenses"] = [{"expression": licence}]
    components.append(component)

json.dump(
    {
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": {
            "component": {
                "type": "application",
                "bom-ref": f"pkg:cargo/scope-storage-probe@{version}",
                "name": "scope-storage-probe",
                "version": version,
                "licenses": [{"license": {"id": "Apache-2.0"}}],
                "properties": [{"name": "revision", "value": revision}],
            }
        },
        "components": components,
    },
    sys.stdout,
    indent=1,
)
print()
