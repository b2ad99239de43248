# ruff: noqa: T201 - printing is what a demo does
"""The story of the demo: what befalls which pod, what is seen of it, and what it cost."""

import asyncio
import shutil
import sys
import tempfile
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from functools import partial
from pathlib import Path

from vipd.bgp.wire import Prefix
from vipd.demo import debian_zookeeper, view, zookeeper
from vipd.demo.rack import Place, Pod, Service
from vipd.demo.story import Air, Happening, Move, PodView, Said, Scene, VipView
from vipd.demo.tor import Change, Tor

Seconds = float

TORS = {"tor-a": ("127.79.0.1", 64001), "tor-b": ("127.79.0.2", 64002)}
ZOOKEEPER = ("127.79.0.3", 2181)
PODS = {"pod-1": "127.79.1.1", "pod-2": "127.79.1.2", "pod-3": "127.79.1.3"}
PINS = {"192.0.2.1": "pod-1", "192.0.2.2": "pod-2", "192.0.2.3": "pod-3"}
BGP_PORT = 1790
POD_AS = 64147

T: Seconds = 2.0  # ZooKeeper gives up a silent pod after this
START: Seconds = 30.0  # at most, until every VIP is announced by its own pod
TURN: Seconds = 20.0  # at most, until a VIP has moved at both ToRs
PAUSE: Seconds = 1.5  # between two things worth watching
ASKING: Seconds = 0.5  # between two looks at what the pods say of themselves


class Stopped(Exception):  # noqa: N818 - an end, not a mistake of ours
    """Why the story could not be told to its end."""


class Play:
    """The story, the rack it is played on, and what has been seen so far."""

    def __init__(self, *, terminal: bool, real: bool) -> None:
        self._terminal = terminal
        self._real = real  # a real ZooKeeper
        self._tors: dict[str, Tor] = {}
        self._air = Air(tuple(TORS))
        self._pods: dict[str, Pod] = {}
        self._said: dict[str, dict[str, Said]] = {}  # by pod and VIP, as it told it
        self._happenings: deque[Happening] = deque(maxlen=100)
        self._moves: deque[Move] = deque(maxlen=100)
        self._changed = asyncio.Event()  # at a ToR: for the story
        self._news = asyncio.Event()  # likewise: for the watch

    async def play(self, *, forever: bool) -> int:
        self._began = self._now()
        with tempfile.TemporaryDirectory(prefix="vipd-demo-") as folder:
            try:
                async with self._watching(), self._rack(Path(folder)):
                    await self._tell(forever=forever)
                    self._note("the story ends: every pod is told to stop, withdraws, and says goodbye")
            except* Stopped as stopped:
                self._fail(str(stopped.exceptions[0]))
                for pod in self._pods.values():
                    print(f"--- {pod.name}", pod.log.read_text(), sep="\n", file=sys.stderr)
                return_code = 1
            except* OSError as errors:
                self._fail(f"the demo cannot run: {errors.exceptions[0]}")
                return_code = 1
            else:
                return_code = self._sum_up()
        return return_code

    @asynccontextmanager
    async def _rack(self, folder: Path) -> AsyncIterator[None]:
        """Have everything run while inside."""
        async with AsyncExitStack() as stack:
            for name, (address, local_as) in TORS.items():
                tor = self._tors[name] = Tor(
                    address, local_as, changed=partial(self._hear, name), parted=partial(self._part, name)
                )
                await stack.enter_async_context(tor.serve(BGP_PORT))
            if self._real:
                self._note("a ZooKeeper starts")
                await stack.enter_async_context(debian_zookeeper.serving(folder, *ZOOKEEPER))
            else:
                await stack.enter_async_context(zookeeper.serving(zookeeper.Server(), *ZOOKEEPER))
            place = Place(
                local_as=POD_AS,
                tors=tuple(tor.address for tor in self._tors.values()),
                port=BGP_PORT,
                zookeeper="{}:{}".format(*ZOOKEEPER),
                session_timeout=T,
                pins=PINS,
            )
            stack.push_async_callback(self._end)
            for vip, name in PINS.items():
                service = Service(address=PODS[name])
                pod = self._pods[name] = Pod(
                    name=name, address=PODS[name], vip=vip, service=service, folder=folder, place=place
                )
                await stack.enter_async_context(service.serve())
                pod.start()
            yield

    async def _end(self) -> None:
        async with asyncio.TaskGroup() as group:
            for pod in self._pods.values():
                group.create_task(pod.end())

    # --- the story ---

    async def _tell(self, *, forever: bool) -> None:
        self._note("three pods start and meet in ZooKeeper; each has a VIP pinned to it")
        await self._until("every VIP is with its own pod", self._at_home, START)
        self._note("every VIP is announced at both ToRs by its own pod alone")
        if forever:
            for pod in self._pods.values():
                self._note(f"{pod.name}: {pod.metrics} and {pod.metrics.replace('metrics', 'status')}")
            self._note("members: vipd members --zookeeper {}:{}".format(*ZOOKEEPER))
        first, second, third = self._pods.values()
        while True:
            await self._fail_over(second)
            await self._recover(second)
            await self._lose(third)
            await self._restart(third)
            await self._order(first, "drain")
            await self._order(first, "undrain")
            await asyncio.sleep(PAUSE)
            if not forever:
                return

    async def _fail_over(self, pod: Pod) -> None:
        began = await self._begin()
        pod.service.turn(good=False)
        self._note(f"the service of {pod.name} fails")
        await self._until("the withdrawal", lambda: not self._air.has(pod.name, pod.vip), TURN)
        now, answers = self._now(), pod.service.answers
        self._note(
            f"{pod.vip} is withdrawn {view.milliseconds(now - began)} after that, "
            f"{view.milliseconds(now - answers[-1])} after answer {len(answers)}, which decided it"
        )
        cause = f"the service of {pod.name} failed"
        await self._moved(pod, began, cause, away=True, planned=False)

    async def _recover(self, pod: Pod) -> None:
        began = await self._begin()
        pod.service.turn(good=True)
        self._note(f"the service of {pod.name} recovers")
        await self._moved(pod, began, f"the service of {pod.name} recovered", away=False, planned=True)

    async def _lose(self, pod: Pod) -> None:
        began = await self._begin()
        self._note(f"{pod.name} is killed: kill -9")
        await pod.kill()
        await self._moved(pod, began, f"{pod.name} was killed", away=True, planned=False, within=T + 1.0)

    async def _restart(self, pod: Pod) -> None:
        began = await self._begin()
        pod.start()
        self._note(f"{pod.name} is started again")
        await self._moved(pod, began, f"{pod.name} was started", away=False, planned=True)

    async def _order(self, pod: Pod, verb: str) -> None:
        began = await self._begin()
        self._note(f"an operator types: vipd {verb} {pod.name}")
        await pod.order(verb)
        await self._moved(pod, began, f"vipd {verb} {pod.name}", away=verb == "drain", planned=True)

    async def _begin(self) -> Seconds:
        await asyncio.sleep(PAUSE)
        self._air.begin(self._now())
        return self._now()

    async def _moved(
        self,
        pod: Pod,
        began: Seconds,
        cause: str,
        *,
        away: bool,
        planned: bool,
        within: Seconds | None = None,
    ) -> None:
        """Wait until the VIP of a pod is away from it, or home again, and tell what that cost."""

        def there() -> bool:
            sole = self._air.sole(pod.vip)
            return sole is not None and (sole != pod.name) == away

        await self._until(f"the move of {pod.vip}", there, TURN)
        now = self._now()
        made = Move(
            vip=pod.vip,
            cause=cause,
            to=self._air.sole(pod.vip) or "",
            took=now - began,
            silent=self._air.silence(pod.vip, now),
            planned=planned,
            within=within,
        )
        self._moves.append(made)
        self._note(view.move(made))
        await self._ask()
        if not self._terminal:
            for each in self._pods.values():
                self._note(f"  {view.verdict(self._view(each), pod.vip)}")

    async def _until(self, what: str, seen: Callable[[], bool], within: Seconds) -> None:
        try:
            async with asyncio.timeout(within):
                while not seen():
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            raise Stopped(f"waited {within:g} s, in vain, for this: {what}") from None

    # --- what is seen ---

    def _now(self) -> Seconds:
        return asyncio.get_running_loop().time()

    def _at_home(self) -> bool:
        return all(self._air.sole(vip) == pod for vip, pod in PINS.items())

    def _hear(self, tor: str, address: str, prefix: Prefix, change: Change) -> None:
        vip, pod = str(prefix).partition("/")[0], self._name(address)
        self._air.hear(self._now(), tor, vip, pod, announced=change is Change.ANNOUNCED)
        self._note(f"{tor}: {prefix} {change.value} by {pod}")
        self._changed.set()
        self._news.set()

    def _part(self, tor: str, address: str, words: str) -> None:
        self._note(f"{tor} parts from {self._name(address)}: {words}")

    def _name(self, address: str) -> str:
        return next((name for name, known in PODS.items() if known == address), address)

    @asynccontextmanager
    async def _watching(self) -> AsyncIterator[None]:
        """Ask the pods now and then, while inside, what they decided, and why."""
        async with asyncio.TaskGroup() as group:
            watching = group.create_task(self._watch())
            yield
            watching.cancel()

    async def _watch(self) -> None:
        while True:
            await self._ask()
            self._draw()
            self._news.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(ASKING):
                    await self._news.wait()

    async def _ask(self) -> None:
        for pod in self._pods.values():
            try:
                vips = (await pod.status())["services"][0]["vips"]
            except (OSError, TimeoutError):
                self._said[pod.name] = {}
            else:
                self._said[pod.name] = {
                    vip["vip"]: Said(word=vip["verdict"] or "-", reason=vip["reason"]) for vip in vips
                }

    # --- what is shown ---

    def _note(self, text: str) -> None:
        line = Happening(at=self._now() - self._began, text=text)
        self._happenings.append(line)
        if self._terminal:
            self._draw()
        else:
            print(view.happening(line), flush=True)

    def _draw(self) -> None:
        if not self._terminal:
            return
        scene = Scene(
            now=self._now() - self._began,
            zookeeper="a real ZooKeeper" if self._real else "a ZooKeeper in memory",
            vips=tuple(
                VipView(vip=vip, pin=pin, announcers={tor: self._air.announcers(tor, vip) for tor in TORS})
                for vip, pin in PINS.items()
            ),
            pods=tuple(map(self._view, self._pods.values())),
            happenings=tuple(self._happenings),
        )
        size = shutil.get_terminal_size()
        sys.stdout.write("\x1b[H\x1b[2J" + view.draw(scene, width=size.columns, height=size.lines))
        sys.stdout.flush()

    def _view(self, pod: Pod) -> PodView:
        return PodView(
            name=pod.name,
            service=f"{pod.service.status.value} {pod.service.status.phrase}",
            said={} if pod.killed else self._said.get(pod.name, {}),
            silent="it was killed" if pod.killed else "it does not answer",
        )

    def _fail(self, why: str) -> None:
        self._draw()
        print(why, file=sys.stderr)

    def _sum_up(self) -> int:
        print("\nWhat was seen, over real BGP sessions:")
        print(view.summary(self._moves))
        print("The pods left in order: withdrawn first, then a Cease with the reason.")
        return 0 if all(made.kept for made in self._moves) else 1
