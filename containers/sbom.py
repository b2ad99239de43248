"""Prints what an image is made of, as CycloneDX: `python3 sbom.py ROOT PACKAGE...`.

ROOT is the image's file system, whose Python packages are listed; PACKAGE... are the Debian packages in it.
"""

import json
import subprocess
import sys
from importlib.metadata import distributions
from pathlib import Path


def main(root: Path, packages: list[str]) -> None:
    found = [*map(debian, lines(packages)), *python(root)]
    (vipd,) = (part for part in found if part["purl"].startswith("pkg:pypi/vipd@"))
    found.remove(vipd)
    bom = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": {"component": vipd | {"type": "application"}},
        "components": sorted(found, key=lambda part: part["purl"]),
    }
    print(json.dumps(bom, indent=1))


def lines(packages: list[str]) -> list[str]:
    form = "${Package} ${Version} ${Architecture}\n"
    asked = ["dpkg-query", "--show", "--showformat", form, *packages]
    return subprocess.run(asked, check=True, capture_output=True, text=True).stdout.splitlines()


def debian(line: str) -> dict[str, str]:
    name, version, architecture = line.split()
    return part(name, version, f"pkg:deb/debian/{name}@{version}?arch={architecture}")


def python(root: Path) -> list[dict[str, str]]:
    places = [str(place) for place in root.glob("usr/local/lib/python3*/dist-packages")]
    return [
        part(found.name, found.version, f"pkg:pypi/{found.name.lower().replace('_', '-')}@{found.version}")
        for found in distributions(path=places)
    ]


def part(name: str, version: str, purl: str) -> dict[str, str]:
    return {"type": "library", "bom-ref": purl, "name": name, "version": version, "purl": purl}


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
