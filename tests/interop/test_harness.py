"""The laboratory itself: a test that fails leaves nothing behind."""

import contextlib
import sys
from pathlib import Path

from interop.netns import Lab, run
from interop.wiring import link

TESTS = Path(__file__).parents[1]


def test_a_lab_leaves_nothing_behind(machine):
    lab = Lab()
    with contextlib.suppress(ZeroDivisionError), contextlib.closing(lab):
        tor, pod = lab.node("tor"), lab.node("pod")
        link(lab, tor, pod)
        assert "1 received" in pod.run("ping", "-c", "1", "-W", "1", "10.62.1.0")
        sleeper = pod.spawn("sleep", "600", log="sleep.log")
        1 / 0  # noqa: B018 - a test fails
    assert sleeper.popen.returncode == -9
    assert not {tor.namespace, pod.namespace} & set(run("ip", "netns", "list").split())
    assert not Path("/proc", str(sleeper.pid)).exists()
    assert not lab.directory.exists()


def test_a_machine_that_may_not_make_wires_is_told_so():
    unprivileged = ("setpriv", "--bounding-set", "-net_admin", "--inh-caps", "-net_admin")
    script = "from interop.netns import lacking; print(*lacking(), sep='\\n')"
    said = run(*unprivileged, "env", "--chdir", TESTS, sys.executable, "-c", script)
    assert "does not allow pairs of ports (CONFIG_VETH)" in said
    assert "-trial" not in run("ip", "netns", "list")


def test_a_cut_wire_carries_nothing_until_it_is_mended(lab):
    tor, pod = lab.node("tor"), lab.node("pod")
    link(lab, tor, pod)
    ping = ("ping", "-c", "1", "-W", "0.2", "10.62.1.0")
    pod.cut()
    assert "1 received" not in pod.run(*ping, check=False)
    pod.mend()
    assert "1 received" in pod.run(*ping)
