# ruff: noqa: T201 - printing is what a demo does
"""`vipd demo`: a whole rack on loopback addresses. Three pods, two ToRs, a service that fails and recovers.

The pods are the real daemon, in processes of their own; the sessions are real TCP; the service is really
asked. Only the ToRs are ours, and they only listen.
"""

import asyncio
import sys
import tempfile
from collections import deque
from collections.abc import Callable
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path

from vipd.bgp.wire import Prefix
from vipd.demo import view
from vipd.demo.rack import Pod, Service
from vipd.demo.story import Happening, Measured, PodView, Scene
from vipd.demo.tor import Change, Tor

Seconds = float

TORS = {"tor-a": ("127.79.0.1", 64001), "tor-b": ("127.79.0.2", 64002)}
PODS = {"pod-1": "127.79.1.1", "pod-2": "127.79.1.2", "pod-3": "127.79.1.3"}
BGP_PORT = 1790
FIRST_AS = 64147

START: Seconds = 20.0  # at most, until every VIP is announced
TURN: Seconds = 15.0  # at most, until a change of the service is seen at both ToRs
PAUSE: Seconds = 3.0  # between two things worth watching
ASKING: Seconds = 0.5  # between two looks at what the pods say of themselves


def run(*, forever: bool) -> int:
    """Play the story, and return an exit status: 0 when it went as told."""
    try:
        return asyncio.run(Demo(terminal=sys.stdout.isatty()).play(forever=forever))
    except KeyboardInterrupt:
        return 0


class Demo:
    """The story, the rack it is played on, and what has been seen so far."""

    def __init__(self, *, terminal: bool) -> None:
        self._terminal = terminal
        self._tors: dict[str, Tor] = {}
        self._pods: list[Pod] = []
        self._said: dict[str, tuple[str, str]] = {}  # by pod: its verdict and its reason, as it told them
        self._happenings: deque[Happening] = deque(maxlen=100)
        self._measured: deque[Measured] = deque(maxlen=100)
        self._changed = asyncio.Event()

    async def play(self, *, forever: bool) -> int:
        self._began = asyncio.get_running_loop().time()
        with tempfile.TemporaryDirectory(prefix="vipd-demo-") as folder:
            try:
                async with AsyncExitStack() as stack:
                    await self._build(stack, Path(folder))
                    async with asyncio.TaskGroup() as group:
                        watching = group.create_task(self._watch())
                        try:
                            await self._tell(forever=forever)
                        finally:
                            watching.cancel()
                    self._note("the story ends: every pod is told to stop, withdraws, and says goodbye")
            except OSError as error:
                print(f"the demo cannot run: {error}", file=sys.stderr)
                return 1
            except TimeoutError:
                self._draw()
                print(f"the story stopped: {self._happenings[-1].text}, and then nothing", file=sys.stderr)
                for pod in self._pods:
                    print(f"--- {pod.name}", (Path(folder) / f"{pod.name}.log").read_text(), file=sys.stderr)
                return 1
        self._sum_up()
        return 0

    async def _build(self, stack: AsyncExitStack, folder: Path) -> None:
        for name, (address, local_as) in TORS.items():
            tor = self._tors[name] = Tor(
                address,
                local_as,
                changed=partial(self._route, name),
                parted=partial(self._part, name),
            )
            await stack.enter_async_context(tor.serve(BGP_PORT))
        for number, (name, address) in enumerate(PODS.items(), 1):
            service = Service(address=address)
            pod = Pod(
                name=name,
                address=address,
                local_as=FIRST_AS,
                vip=f"192.0.2.{number}",
                service=service,
                folder=folder,
            )
            self._pods.append(pod)
            await stack.enter_async_context(service.serve())
            await stack.enter_async_context(pod.live([tor.address for tor in self._tors.values()], BGP_PORT))

    # --- the story ---

    async def _tell(self, *, forever: bool) -> None:
        self._note("three pods start, each with a VIP and a service that it checks")
        async with asyncio.timeout(START):
            await self._until(lambda: all(self._everywhere(pod) for pod in self._pods))
        self._note("every VIP is announced at both ToRs")
        if forever:
            for pod in self._pods:
                self._note(f"{pod.name}: {pod.metrics} and {pod.metrics.replace('metrics', 'status')}")
        while True:
            await asyncio.sleep(PAUSE)
            await self._turn(self._pods[1], good=False)
            await asyncio.sleep(PAUSE)
            await self._turn(self._pods[1], good=True)
            await asyncio.sleep(PAUSE)
            if not forever:
                return

    async def _turn(self, pod: Pod, *, good: bool) -> None:
        pod.service.turn(good=good)
        self._note(f"the service of {pod.name} {'recovers' if good else 'fails'}")
        async with asyncio.timeout(TURN):
            await self._until(lambda: self._everywhere(pod) if good else self._nowhere(pod))
        now = asyncio.get_running_loop().time()
        figure = Measured(
            what="return" if good else "withdrawal",
            since_change=now - pod.service.changed_at,
            since_result=now - pod.service.answers[-1],
            answers=len(pod.service.answers),
        )
        self._measured.append(figure)
        self._note(view.measured(figure))

    async def _until(self, seen: Callable[[], bool]) -> None:
        while not seen():
            self._changed.clear()
            await self._changed.wait()

    # --- what is seen ---

    def _everywhere(self, pod: Pod) -> bool:
        return all(self._told(tor, pod) for tor in self._tors.values())

    def _nowhere(self, pod: Pod) -> bool:
        return not any(self._told(tor, pod) for tor in self._tors.values())

    def _told(self, tor: Tor, pod: Pod) -> bool:
        return (pod.address, Prefix.host(pod.vip)) in tor.routes

    def _route(self, tor: str, pod: str, prefix: Prefix, change: Change) -> None:
        self._note(f"{tor}: {prefix} {change.value} by {self._name(pod)}")
        self._changed.set()

    def _part(self, tor: str, pod: str, words: str) -> None:
        self._note(f"{tor} parts from {self._name(pod)}: {words}")

    def _name(self, address: str) -> str:
        return next((pod.name for pod in self._pods if pod.address == address), address)

    async def _watch(self) -> None:
        """Ask the pods now and then what they decided, and why."""
        while True:
            for pod in self._pods:
                try:
                    vip = (await pod.status())["services"][0]["vips"][0]
                except (OSError, TimeoutError):
                    self._said[pod.name] = "-", "it does not answer yet"
                else:
                    self._said[pod.name] = vip["verdict"], vip["reason"]
            self._draw()
            await asyncio.sleep(ASKING)

    # --- what is shown ---

    def _note(self, text: str) -> None:
        line = Happening(at=asyncio.get_running_loop().time() - self._began, text=text)
        self._happenings.append(line)
        if self._terminal:
            self._draw()
        else:
            print(view.happening(line), flush=True)

    def _draw(self) -> None:
        if not self._terminal:
            return
        scene = Scene(
            now=asyncio.get_running_loop().time() - self._began,
            tors=tuple(self._tors),
            pods=tuple(
                PodView(
                    name=pod.name,
                    vip=pod.vip,
                    service=f"{pod.service.status.value} {pod.service.status.phrase}",
                    verdict=self._said.get(pod.name, ("-", ""))[0],
                    reason=self._said.get(pod.name, ("", "it starts"))[1],
                    told={name: self._told(tor, pod) for name, tor in self._tors.items()},
                )
                for pod in self._pods
            ),
            happenings=tuple(self._happenings),
        )
        sys.stdout.write("\x1b[H\x1b[2J" + view.draw(scene))
        sys.stdout.flush()

    def _sum_up(self) -> None:
        print("\nWhat was seen, over real BGP sessions:")
        for figure in self._measured:
            print(f"  {view.measured(figure)}")
        print("The pods left in order: withdrawn first, then a Cease with the reason.")
