"""A pod with ExaBGP and its health check: by its file it is first for some VIPs, and prepends for others."""

import signal
import sys
from collections.abc import Collection
from pathlib import Path

from interop.fleet import PODS_AS, SHARE, TORS_AS
from lab.fabric import VIPS, Contained

EXABGP = Path(sys.executable).with_name("exabgp")
CHECK = "curl -sf -m 1 -o /dev/null http://127.0.0.1:8080/"
LONGER = 3  # AS numbers, of a standby
ENVIRONMENT = {
    "exabgp_daemon_user": "root",
    "exabgp_daemon_drop": "false",
    "exabgp_api_cli": "false",
    "exabgp_log_destination": "stderr",
    "exabgp_log_level": "ERROR",
}


class Exabgp(Contained):
    """Timers as vipd's: checked every second, ten times as often while changing; three results decide."""

    def boot(self, servers: Collection[str], **coordination: object) -> None:
        file = self.node.directory / "exabgp.conf"
        file.write_text(self._process_of("first", own=True) + self._process_of("standby", own=False))
        with file.open("a") as config:
            config.writelines(self._neighbor(ours, tor) for ours, tor in self.tors.items())
        self._process = self.node.spawn(
            EXABGP, "server", file, log="exabgp.log", env=ENVIRONMENT, append=True
        )

    def _process_of(self, name: str, *, own: bool) -> str:
        place = SHARE * (self.asn - PODS_AS - 1)
        first = VIPS[place : place + SHARE]
        addresses = " ".join(f"--ip {vip}/32" for vip in VIPS if (vip in first) == own)
        path = " ".join([str(self.asn)] * (1 if own else 1 + LONGER))
        words = (
            f"--cmd '{CHECK}' --no-ip-setup --interval 1 --fast-interval 0.1 --rise 3 --fall 3 {addresses}"
        )
        return (
            f"process {name} {{ run {sys.executable} -m exabgp healthcheck --no-syslog {words} "
            f"--as-path '{path}' --withdraw-on-down; encoder text; }}\n"
        )

    def _neighbor(self, ours: str, tor: str) -> str:
        number = int(tor.split(".")[2])
        return (
            f"neighbor {tor} {{ router-id {self.address}; local-address {ours}; local-as {self.asn}; "
            f"peer-as {TORS_AS + number}; hold-time 9; group-updates false; family {{ ipv4 unicast; }} "
            "api { processes [ first standby ]; } }\n"
        )

    @property
    def pid(self) -> int:
        return self.process.pid

    def kill(self) -> None:
        self.service.process.signal(signal.SIGKILL)
        self.process.kill()
