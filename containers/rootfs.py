"""Copies what Debian packages hold into a root of its own, for Python alone: `rootfs.py ROOT PACKAGE...`."""

import shutil
import subprocess
import sys
from fnmatch import fnmatch
from pathlib import Path

UNWANTED = (
    *(
        "/usr/share/*",
        "/usr/sbin/*",
        "/usr/bin/[!p]*",
        "/bin/*",
        "/sbin/*",
        "/etc/update-motd.d*",
        "*/gconv/*",
    ),
    *(
        "/usr/lib/ssl/misc*",
        "/etc/issue*",
        "*/python3.11/lib-dynload/_test*",
        "*/python3.11/lib-dynload/readline.*",
    ),
    *("*/python3.11/ensurepip*", "*/python3.11/lib2to3*", "*/python3.11/pydoc*", "*/python3.11/distutils*"),
    *("*/python3.11/curses*", "*/_curses*", "*/_codecs_??.*", "*/_dbm.*"),
    *(
        "*/python3.11/turtle*",
        "*/python3.11/idlelib*",
        "*/python3.11/test/*",
        "*/libmvec*",
        "*/__pycache__*",
        "*/sitecustomize.py",
    ),
)
ETC = {
    "passwd": "root:x:0:0::/:/sbin/nologin\nvipd:x:65532:65532::/:/sbin/nologin\n",
    "group": "root:x:0:\nvipd:x:65532:\n",
    "nsswitch.conf": "hosts: files dns\n",
}


def main(root: Path, packages: list[str]) -> None:
    for place in ("dev", "proc", "run", "sys", "tmp"):  # where a runtime mounts what it has for us
        (root / place).mkdir(parents=True)
    for link in ("bin", "lib", "lib64", "sbin"):  # as Debian has them, so that what follows lands in /usr
        (root / "usr" / link).mkdir(parents=True)
        (root / link).symlink_to(f"usr/{link}")
    for path in held(packages):
        if not any(fnmatch(path, pattern) for pattern in UNWANTED):
            copy(Path(path), root / path.lstrip("/"))
    copy(Path("/etc/ssl/certs/ca-certificates.crt"), root / "etc/ssl/certs/ca-certificates.crt")
    (root / "usr/bin/python3").symlink_to("python3.11")
    for name, text in ETC.items():
        (root / "etc" / name).write_text(text)


def held(packages: list[str]) -> list[str]:
    """Every path of these packages."""
    asked = ["dpkg-query", "--listfiles", *packages]
    return sorted(set(subprocess.run(asked, check=True, capture_output=True, text=True).stdout.splitlines()))


def copy(source: Path, target: Path) -> None:
    """Copy a file or a link, with the directories above it; what is empty is not wanted."""
    if (source.is_file() or source.is_symlink()) and not target.is_dir():
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(source, target, follow_symlinks=False)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
