"""Makes an App Container Image, for rkt, of an image that podman has: `convert.py IMAGE NAME DIRECTORY`.

NAME is what the ACI calls itself, "example.net/vipd". Into DIRECTORY go `vipd.aci`, a gzipped tar of
`manifest` and `rootfs/`, and `pod.json`, the manifest of a pod of it.
"""

import gzip
import hashlib
import io
import json
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Any

SPEC = "0.8.11"  # the last of appc
ISOLATORS = [
    {"name": "os/linux/capabilities-retain-set", "value": {"set": ["CAP_NET_ADMIN", "CAP_NET_BIND_SERVICE"]}},
    {"name": "os/linux/no-new-privileges", "value": True},
    {"name": "resource/memory", "value": {"limit": "128M"}},
]


def main(image: str, name: str, directory: Path) -> None:
    described = json.loads(podman("image", "inspect", image))[0]
    text = json.dumps(manifest(described, name), indent=1).encode()
    container = podman("--log-level", "fatal", "create", "--network", "none", image).decode().strip()
    try:
        rootfs = podman("export", container)
    finally:
        podman("rm", container)
    tar = packed(text, rootfs)
    (directory / "vipd.aci").write_bytes(gzip.compress(tar, 6, mtime=0))
    pod = Path(__file__).with_name("pod.json").read_text().replace("NAME", name)
    pod = pod.replace("VERSION", described["Labels"]["org.opencontainers.image.version"])
    (directory / "pod.json").write_text(pod.replace("ID", f"sha512-{hashlib.sha512(tar).hexdigest()}"))


def packed(text: bytes, rootfs: bytes) -> bytes:
    """An ACI before it is squeezed, which is what its id is the digest of."""
    octets = io.BytesIO()
    with tarfile.open(fileobj=octets, mode="w") as aci:
        head = tarfile.TarInfo("manifest")
        head.size = len(text)
        aci.addfile(head, io.BytesIO(text))
        top = tarfile.TarInfo("rootfs")
        top.type, top.mode = tarfile.DIRTYPE, 0o755
        aci.addfile(top)
        with tarfile.open(fileobj=io.BytesIO(rootfs)) as archive:
            for member in archive:
                aci.addfile(moved(member), archive.extractfile(member) if member.isreg() else None)
    return octets.getvalue()


def manifest(described: dict[str, Any], name: str) -> dict[str, Any]:
    """What appc asks for, out of what the image says of itself."""
    config, labels = described["Config"], described["Labels"]
    user, group = config["User"].split(":")
    program, *words = [*config["Entrypoint"], *config["Cmd"]]
    return {
        "acKind": "ImageManifest",
        "acVersion": SPEC,
        "name": name,
        "labels": [
            {"name": "version", "value": labels["org.opencontainers.image.version"]},
            {"name": "os", "value": described["Os"]},
            {"name": "arch", "value": described["Architecture"]},
        ],
        "app": {
            "exec": [f"/usr/local/bin/{program}", *words],
            "user": user,
            "group": group,
            "workingDirectory": "/",
            "environment": [variable(*each.split("=", 1)) for each in config["Env"]],
            "mountPoints": [
                {"name": "configuration", "path": "/etc/vipd", "readOnly": True},
                {"name": "socket", "path": "/run/vipd"},
            ],
            "ports": [{"name": "metrics", "protocol": "tcp", "port": 9179}],
            "isolators": ISOLATORS,
        },
    }


def variable(name: str, value: str) -> dict[str, str]:
    return {"name": name, "value": value}


def moved(member: tarfile.TarInfo) -> tarfile.TarInfo:
    """Below rootfs, and what it is a hard link to with it."""
    member.name = f"rootfs/{member.name}"
    if member.islnk():
        member.linkname = f"rootfs/{member.linkname}"
    for header in ("path", "linkpath"):  # they would speak of the old place
        member.pax_headers.pop(header, None)
    return member


def podman(*words: str) -> bytes:
    return subprocess.run(["podman", *words], check=True, stdout=subprocess.PIPE).stdout


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], Path(sys.argv[3]))
