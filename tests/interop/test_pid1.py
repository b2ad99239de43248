"""vipd as the only process of a pod: it is PID 1, and whatever its checks leave behind is its to reap."""

import signal
from pathlib import Path

from interop.netns import wait_for
from interop.wiring import POD_AS, neighbor, service

VIP = "192.0.2.1"
UNSHARE = ("unshare", "--pid", "--fork", "--mount-proc", "--kill-child")


def test_pid_1_reaps_orphans_and_leaves_in_order(rack):
    tor = rack.tor()
    orphaning = {"exec": "(sleep 0.05 &) ; exit 0", "interval": 0.1, "fast-interval": 0.05, "rise": 2}
    rack.pod.start(
        *UNSHARE,
        speaker={"local-as": POD_AS},
        neighbor=[neighbor()],
        service=[service(VIP, check=[orphaning])],
    )
    tor.learns(f"{VIP}/32")
    runs = wait_for(lambda: good_runs(rack.pod) > 10 and good_runs(rack.pod), "ten runs")
    wait_for(lambda: good_runs(rack.pod) > runs + 5, "five more")
    (vipd,) = children(rack.pod.process.pid)
    assert status(vipd)["NSpid"].split()[-1] == "1"
    wait_for(lambda: not zombies(vipd), "no zombies")
    assert len(children(vipd)) < 5  # those under way, not all that there ever were
    Path("/proc", str(vipd), "root").stat()  # it is there; and now:
    rack.pod.node.run("kill", f"-{signal.SIGTERM.name[3:]}", str(vipd))
    assert rack.pod.process.wait() == 0
    tor.forgets(f"{VIP}/32", timeout=5)


def good_runs(pod) -> int:
    return pod.status()["services"][0]["checks"][0]["runs"].get("good", 0)


def children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def zombies(pid: int) -> list[int]:
    return [child for child in children(pid) if status(child)["State"].startswith("Z")]


def status(pid: int) -> dict[str, str]:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}
