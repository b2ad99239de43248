"""Behaves as ExaZK does, by what is documented of it, for an ExaBGP that runs it. None of it is ExaZK's code.

It takes ExaZK's command line. What it is known to do wrong, it does: its node is there before its first check
and before its route, nothing is withdrawn when it ends, and it lets go of a VIP as soon as there is a node.
"""

import argparse
import signal
import subprocess
import threading
import time
from contextlib import suppress

from kazoo.client import KazooClient
from kazoo.exceptions import NodeExistsError, NoNodeError

PACE = 1.0  # between two turns; ExaZK has ten seconds
CHECK = 1.0  # for the check


def options():
    parser = argparse.ArgumentParser()
    parser.add_argument("-c", dest="check", required=True)
    parser.add_argument("-n", dest="name")
    parser.add_argument("-A", dest="own", required=True)
    parser.add_argument("-N", dest="others", action="append", required=True)
    parser.add_argument("-zH", dest="hosts", action="append", required=True)
    parser.add_argument("-zPS", dest="path", required=True)
    parser.add_argument("-zPM", dest="maintenance", required=True)
    return parser.parse_args()


class Helper:
    """One pod's share in the service."""

    def __init__(self, said) -> None:
        self.said = said
        self.node = f"{said.path}/{said.own}"
        self.zookeeper = KazooClient(hosts=",".join(said.hosts), timeout=4.0)
        self.news = threading.Event()
        self.over = False

    def run(self) -> None:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self.end)
        self.zookeeper.start(timeout=30)
        self.zookeeper.ensure_path(self.said.path)
        while self.zookeeper.exists(self.node):
            time.sleep(0.5)  # of an earlier life
        self.claim()
        self.zookeeper.ChildrenWatch(self.said.path, lambda _: self.news.set())
        while not self.over:
            self.news.clear()
            self.turn()
            self.news.wait(PACE)
        self.zookeeper.stop()

    def end(self, *_: object) -> None:
        self.over = True
        self.news.set()

    def turn(self) -> None:
        if not self.healthy() or self.zookeeper.exists(self.said.maintenance):
            for vip in (self.said.own, *self.said.others):
                tell(f"withdraw route {vip}/32")
            with suppress(NoNodeError):
                self.zookeeper.delete(self.node)
            self.claimed = False
            return
        if not self.claimed:
            self.claim()
        there = self.zookeeper.get_children(self.said.path)
        tell(f"announce route {self.said.own}/32 next-hop self med 100")
        for vip in self.said.others:
            if vip in there:
                tell(f"withdraw route {vip}/32")
            else:
                tell(f"announce route {vip}/32 next-hop self med 200")

    def claim(self) -> None:
        self.claimed = True
        with suppress(NodeExistsError):
            self.zookeeper.create(self.node, ephemeral=True)

    def healthy(self) -> bool:
        try:
            done = subprocess.run(
                self.said.check, shell=True, timeout=CHECK, check=False, capture_output=True
            )
        except subprocess.TimeoutExpired:
            return False
        return done.returncode == 0


def tell(line: str) -> None:
    """Say it to ExaBGP."""
    print(line, flush=True)


if __name__ == "__main__":
    Helper(options()).run()
