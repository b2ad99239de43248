"""The section about ZooKeeper: one table of the file to where pods meet, and what this one is there."""

from collections.abc import Mapping
from typing import Any, Final

from vipd.config.machine import Machine
from vipd.config.problems import Refused
from vipd.config.reading import Reading
from vipd.config.schema import COORDINATION
from vipd.config.sections import CoordinationConfig, TlsConfig
from vipd.coord.ensemble import Ensemble

ALONE: Final = "needs [coordination]: without it, each pod announces its VIPs by itself"
AT: Final = "coordination"
THIS_MACHINE: Final = Machine()
TLS_ONLY: Final = ("tls-ca", "tls-certificate", "tls-key", "tls-verify")


def read_coordination(table: object, reading: Reading) -> CoordinationConfig | None:
    """Read the section; None where something is wrong with it, which is then among the problems."""
    own = reading.values(COORDINATION, table, AT)
    values = {**COORDINATION.defaults, **own}
    pod_id = values["pod-id"] or _host_name(reading)
    credentials = _credentials(values["auth-file"], reading)
    tls = _tls(values, own, reading)
    if any(key.partition(".")[0] == AT for key in reading.problems):
        return None
    servers, chroot = values["servers"]
    return CoordinationConfig(
        ensemble=Ensemble(
            servers=servers,
            chroot=chroot,
            session_timeout=values["session-timeout"],
            credentials=credentials,
        ),
        pod_id=pod_id,
        root=values["root"],
        zone=values["zone"],
        weight=values["weight"],
        grace=values["grace"],
        anchors=values["witness-anchor"],
        auth_file=values["auth-file"],
        tls=tls,
    )


def _host_name(reading: Reading) -> str:
    name: str = reading.machine.hostname()
    try:
        COORDINATION.keys["pod-id"].read(name)
    except Refused as refused:
        reason = f"is missing, and the host name cannot stand for it: {refused.reason}"
        reading.refuse(f"{AT}.pod-id", reason, name)
    return name


def _credentials(path: str | None, reading: Reading) -> str:
    """Return what the file of the credentials holds; "" without one."""
    if path is None:
        return ""
    key = f"{AT}.auth-file"
    try:
        login, exposed = _login(path, reading.machine)
    except Refused as refused:
        reading.refuse(key, refused.reason, path)
        return ""
    if exposed:
        reading.warn(key, f"{path} can be read by everybody on this machine: chmod o-r")
    return login


def read_login(path: str, machine: Machine = THIS_MACHINE) -> str:
    """Return the "user:password" that a file holds. Raises Refused."""
    return _login(path, machine)[0]


def _login(path: str, machine: Machine) -> tuple[str, bool]:
    """Return the "user:password" that a file holds, and whether everybody may read it. Raises Refused."""
    try:
        octets, exposed = machine.read_file(path)
    except OSError as error:
        raise Refused(f"could not be read: {error.strerror}") from None
    try:
        text = octets.decode().rstrip("\r\n")
    except UnicodeDecodeError:
        text = ""
    user, _, password = text.partition(":")
    if not user or not password or not text.isprintable():
        raise Refused('must hold one line, "user:password"')
    return text, exposed


def _tls(values: Mapping[str, Any], own: Mapping[str, Any], reading: Reading) -> TlsConfig | None:
    if not values["tls"]:
        for key in TLS_ONLY:
            if key in own:
                reading.refuse(f"{AT}.{key}", "needs tls = true")
        return None
    if values["tls-key"] is not None and values["tls-certificate"] is None:
        reading.refuse(f"{AT}.tls-key", "needs tls-certificate")
    for key in ("tls-ca", "tls-certificate", "tls-key"):
        if values[key] is not None:
            try:
                reading.machine.read_file(values[key])
            except OSError as error:
                reading.refuse(f"{AT}.{key}", f"could not be read: {error.strerror}", values[key])
    return TlsConfig(
        ca=values["tls-ca"],
        certificate=values["tls-certificate"],
        key=values["tls-key"],
        verify=values["tls-verify"],
    )
