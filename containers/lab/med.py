"""The problem that vipd was born from, told by the laboratory: MED does not outlive the next AS.

Two pods behind different pairs of ToRs announce one VIP. Where does the traffic go?
"""

import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from interop.netns import run, wait_for
from interop.wiring import neighbor, service
from lab.fabric import VIPS, Contained, Fabric

VIP = VIPS[0]
FLOWS = 200
ASKER = Path(__file__).with_name("asker.py")


def tell(fabric: Fabric) -> Iterator[str]:
    """The story, paragraph by paragraph. The fabric's routers run, and its pods do not."""
    one, two, three = fabric.pods
    for router in fabric.routers():
        router.start()

    yield "1. Pod one says MED 10, and pod two, in another rack, MED 500: the lower is meant to be preferred."
    announce(one, med=10)
    announce(two, med=500)
    await_paths(fabric, one, two)
    yield f"   At their ToRs it is there:\n{at_tor(fabric, 'a1')}\n{at_tor(fabric, 'b1')}"
    yield f"   At the edge it is gone from every path:\n{at_edge(fabric)}"
    yield f"   So the edge uses both: {asked(fabric)}"

    yield "2. One announcer, which is what pods that coordinate see to:"
    two.stop()
    await_paths(fabric, one)
    yield f"   {asked(fabric)}"

    yield '3. Pod two stands by, three AS numbers longer (`standby = "hot"`, or `prepend = 3`):'
    announce(two, prepend=3)
    wait_for(two.announces, "pod two has told its ToRs", 30.0)
    await_paths(fabric, one)
    yield (
        "   Its own ToRs prefer the way over the spines, and so tell these nothing of it:\n"
        f"{at_edge(fabric)}\n"
        f"   {asked(fabric)}"
    )
    one.kill()
    await_paths(fabric, two)
    yield f"   Pod one is killed: {asked(fabric)}"

    yield "4. ECMP: all announce alike (`copies = 3`), and flows are spread by address and port:"
    one.service.start()
    two.stop()
    for pod in (one, two):
        announce(pod)
    await_paths(fabric, one, two)
    before = answers(fabric)
    yield f"   with two: {counted(before)}"
    announce(three)
    await_paths(fabric, one, two, three)
    after = answers(fabric)
    yield f"   with three: {counted(after)}"
    moved = sum(after[port] != name for port, name in before.items() if after[port] != three.node.name)
    went = sum(name == three.node.name for name in after.values())
    yield (
        f"   {went} of {len(after)} flows went to the third, and {moved} moved between the other two, for "
        "nothing:\n   routers hash again over all next hops, and each of these connections breaks."
    )


def announce(pod: Contained, **lever: int) -> None:
    neighbors = [neighbor(tor, "external", connect_retry=1) for tor in pod.tors.values()]
    pod.start(
        speaker={"local-as": pod.asn, "router-id": pod.address},
        neighbor=neighbors,
        service=[service(VIP, **lever)],
    )


def await_paths(fabric: Fabric, *pods: Contained) -> None:
    """Wait until the edge has paths to these pods and no others, each as its ToRs have told it."""
    wanted = {pod.asn for pod in pods}

    def there() -> bool:
        routers = (*fabric.tors, *fabric.spines, fabric.edge)
        return all(router.route(f"{VIP}/32") for router in routers) and seen(fabric) == wanted

    wait_for(there, f"every router has a way to {VIP}, and the edge to {len(pods)} pods", 30.0)


def seen(fabric: Fabric) -> set[int]:
    """The pods to which the spines have paths."""
    found = set()
    for spine in fabric.spines:
        for line in birdc(spine, "show route all for", f"{VIP}/32").splitlines():
            if "BGP.as_path" in line:
                found.add(int(line.split()[-1]))
    return found


def at_tor(fabric: Fabric, name: str) -> str:
    tor = next(tor for tor in fabric.tors if tor.node.name == name)
    route = tor.route(f"{VIP}/32")
    way = f"via {route.next_hop}, AS path {path(route.as_path)}, MED {route.med}"
    return f"     {type(tor).__name__} {name}: {VIP}/32 {way}"


def at_edge(fabric: Fabric) -> str:
    """What the edge knows, and what the spines, which are its next hops, do."""
    told = []
    for router, name in ((fabric.edge, "edge"), (fabric.spines[0], "spine1")):
        text = birdc(router, "show route all for", f"{VIP}/32")
        for block in text.split("unicast [")[1:]:
            lines = dict(line.strip().split(": ", 1) for line in block.splitlines() if ": " in line)
            hops = path(tuple(map(int, lines["BGP.as_path"].split())))
            told.append(f"     {name}: AS path {hops}, MED {lines.get('BGP.med', 'none')}")
    return "\n".join(told)


def birdc(router, *words: str) -> str:
    return run("birdc", "-s", router.node.directory / "bird.ctl", *words)


def path(numbers: tuple[int, ...]) -> str:
    return " ".join(map(str, numbers))


def answers(fabric: Fabric) -> dict[int, str]:
    """Who answers a flow, by the client's port."""
    said = fabric.client.run(sys.executable, ASKER, VIP, str(FLOWS), timeout=60)
    return {int(port): name for port, name in (line.split() for line in said.splitlines())}


def asked(fabric: Fabric) -> str:
    return counted(answers(fabric))


def counted(answers: dict[int, str]) -> str:
    found = Counter(answers.values())
    return f"of {len(answers)} connections, " + ", ".join(
        f"{count} to pod {name}" for name, count in sorted(found.items())
    )
