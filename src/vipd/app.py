"""The wiring: builds every part of a pod, and leaves in order.

    vipd
    ├─ api              one task a listener, one a request
    ├─ loopback         holds the VIPs on lo, or watches them; reports `held`
    ├─ siblings         where pods coordinate: reports `views`, carries out `wishes`
    │   └─ zookeeper    one session; one seat a service
    ├─ bfd              one session per neighbour that is watched; says when a path is lost
    ├─ speaker          children: one session per neighbour; the listeners; reports `standing`
    ├─ steering         on any new fact, or when time may change a decision: decide, publish
    ├─ probes           children: one per check; reports `checks`
    ├─ hooks            a command when a service's health changes
    └─ lag, watchdog, reaper

Start order is reading order, and leaving is its reverse.
"""

import asyncio
import os
import random
import signal
import socket
import time
from collections.abc import AsyncIterator, Coroutine, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from typing import Any

import structlog

from vipd import __version__, api, departure, hooks, log, loopback, maintenance, probes, subprocesses
from vipd.bfd import sessions as bfd
from vipd.bgp import speaker
from vipd.bgp.peer import State
from vipd.bgp.sightings import Watch
from vipd.bgp.wire import Prefix
from vipd.config import Config, ConfigError, CoordinationConfig, load
from vipd.coord.account import Insight
from vipd.coord.member import Phase, View, Vip
from vipd.definitions import Definitions
from vipd.facts import Facts
from vipd.health import Check, CheckStatus, Hook
from vipd.lag import Lag
from vipd.latest import Latest
from vipd.loopback import Addresses
from vipd.notify import Notify
from vipd.siblings import Siblings
from vipd.status import Observed, Reading
from vipd.steer import Steering

events = structlog.get_logger()

Seconds = float

EMPTYING: Seconds = 5.0  # at most, for the ToRs to acknowledge what we said last
HEAD_START: Seconds = 1.0  # for the sessions, before anything heavy is imported
GOODBYE = "vipd was told to stop"


def run(path: str) -> int:
    """Live the whole life of a pod; return its exit status. Raises ConfigError before it begins."""
    config = load(path, os.environ)
    log.configure(config.log)
    for warning in config.warnings:
        events.warning("config_warned", warning=warning)
    try:
        asyncio.run(Pod(config).live())
    finally:
        log.STDERR.settle(1.0)
    return 0


class Pod:
    """One pod: its facts, each with one writer, and the signals that move it through its phases."""

    def __init__(self, config: Config) -> None:
        self._definitions = Definitions(config)
        self._facts = Latest(Facts(config=config))
        self._lag = Lag(tolerable=self._tolerable_lag)
        self._steering = Steering(self._facts, self._lag.stalled_at)
        self._notify = Notify.of(os.environ)
        self._reading = Reading(ok=True, at=time.time())
        self._loaded = self._reading.at
        self._speaker: speaker.Speaker | None = None
        self._bfd: bfd.Sessions | None = None
        self._told_to_leave = asyncio.Event()
        self._patience: asyncio.Timeout | None = None
        self._moving_out: asyncio.TimerHandle | None = None
        # What the parts follow. Each is the part of the configuration that concerns it.
        self._peers = Latest(config.neighbors)
        self._listen = Latest(config.speaker.listen)
        self._watched = Latest(config.bfd)
        self._api = Latest(config.api)
        self._checks = Latest(_checks(config))
        self._hooks = Latest(_hooks(config))
        self._addresses = Latest(_addresses(config))
        self._where = Latest(_where(config))
        self._watch = Latest(_watch(config))
        self._siblings = Siblings(
            self._where,
            self._steering.wishes,
            self._see,
            after=self._sessions_had_their_start,
            jitter=random.random,
        )

    async def live(self) -> None:
        loop = asyncio.get_running_loop()
        self._started = loop.time()
        answers = {
            signal.SIGTERM: self._leave,
            signal.SIGINT: self._leave,
            signal.SIGHUP: self._reload,
            signal.SIGUSR1: self._restart,
        }
        for number, answer in answers.items():
            loop.add_signal_handler(number, answer)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, answers)  # what came so far comes now
        config = self._facts.value.config
        events.info(
            "pod_started",
            version=__version__,
            config=config.path,
            local_as=config.speaker.local_as,
            router_id=str(config.speaker.router_id),
            neighbors=list(config.neighbors),
            services={s.service.name: len(s.service.vips) for s in config.services},
        )
        async with (
            api.serve(
                self._api,
                self._observe,
                orders={"/maintenance": self._maintain},
                after=self._sessions_had_their_start,
            ),
            running(self._lag.watch(), self._notify.watch(), subprocesses.reap_orphans()),
            running(loopback.hold(self._addresses, self._hold)),
            running(self._siblings.meet()),
            # Around the sessions, which say Cease before BFD says AdminDown.
            bfd.watch(self._watched, lost=self._lose, chance=random.random) as self._bfd,
            speaker.speak(
                self._peers,
                self._steering.rib,
                listen=self._listen,
                goodbye=lambda: GOODBYE,
                jitter=random.random,
                watch=self._watch,
            ) as self._speaker,
            running(self._steering.follow(), self._listen_to_neighbors()),
            running(
                probes.watch(
                    self._checks,
                    self._check,
                    splay=random.random,
                    directory=lambda: self._siblings.directory,
                ),
                hooks.follow(self._hooks, self._steering.states),
            ),
        ):
            self._notify.ready(f"announcing for {len(config.services)} services")
            await self._told_to_leave.wait()
            await self._depart()
        events.info("pod_left")

    # --- what the parts report: each writes its own fact ---

    def _hold(self, held: frozenset[Vip]) -> None:
        self._facts.set(replace(self._facts.value, held=held))

    def _check(self, key: str, status: CheckStatus | None) -> None:
        checks = {**self._facts.value.checks}
        if status is None:
            checks.pop(key, None)
        else:
            checks[key] = status
        self._facts.set(replace(self._facts.value, checks=checks))

    def _see(self, service: str, view: View | None) -> None:
        views = {name: known for name, known in self._facts.value.views.items() if name != service}
        if view is not None:
            views[service] = view
        facts = replace(self._facts.value, views=views)
        if view is not None and self._definitions.see(service, view):
            config = self._definitions.config
            self._watch.set(_watch(config))
            self._checks.set(_checks(config))
            self._facts.set(replace(facts, config=config))
            self._hear()
            self._house(config)
        else:
            self._facts.set(facts)

    async def _listen_to_neighbors(self) -> None:
        assert self._speaker is not None  # noqa: S101 - it is entered before
        async for _ in self._speaker.progress:
            self._hear()

    def _hear(self) -> None:
        assert self._speaker is not None  # noqa: S101 - it is entered before
        if self._facts.value.config.coordination is not None:
            self._facts.set(replace(self._facts.value, standing=self._speaker.standing()))

    def _lose(self, neighbor: str, reason: str) -> None:
        """End a session over a path that BFD has lost."""
        if self._speaker is not None:
            self._speaker.lose(neighbor, reason)

    # --- signals, and orders ---

    def _maintain(self, wish: object) -> Mapping[str, Mapping[str, str]]:
        """Take services off the air here alone, or back on. Raises ValueError: why not."""
        facts = self._facts.value
        names = [service.service.name for service in facts.config.services]
        wished = maintenance.wished(facts.maintenance, names, wish)
        events.info("maintenance_ordered", services=dict(wished))
        self._facts.set(replace(facts, maintenance=wished))
        return {"maintenance": wished}

    def _leave(self) -> None:
        if not self._told_to_leave.is_set():
            events.info("pod_told_to_leave")
            self._notify.stopping("withdrawing")
            self._told_to_leave.set()
        elif self._patience is not None:
            events.info("pod_hurried")
            self._patience.reschedule(asyncio.get_running_loop().time())

    def _restart(self) -> None:
        """End without a word: neighbours with graceful-restart keep our routes until we are back, siblings
        our claims until ZooKeeper gives us up. The kernel closes what is open, the addresses stay.
        """
        events.info("pod_restarting")
        self._notify.stopping("to be started again")
        log.STDERR.settle(1.0)
        os._exit(0)

    def _reload(self) -> None:
        """Take on what differs in the file, or nothing at all."""
        before = self._facts.value.config
        self._notify.reloading()
        try:
            config = load(before.path, os.environ, router_id=before.speaker.router_id)
        except ConfigError as error:
            self._reading = Reading(ok=False, at=time.time(), error=str(error))
            for problem in error.problems:
                events.error("config_refused", problem=str(problem))
        else:
            self._reading = Reading(ok=True, at=time.time())
            self._loaded = self._reading.at
            self._take_on(config)
        self._notify.ready("the new configuration" if self._reading.ok else "the old configuration")

    def _take_on(self, config: Config) -> None:
        log.configure(config.log)
        for warning in config.warnings:
            events.warning("config_warned", warning=warning)
        config = self._definitions.configure(config)
        self._peers.set(config.neighbors)
        self._listen.set(config.speaker.listen)
        self._watched.set(config.bfd)
        self._api.set(config.api)
        self._checks.set(_checks(config))
        self._hooks.set(_hooks(config))
        self._where.set(_where(config))
        self._watch.set(_watch(config))
        self._facts.set(replace(self._facts.value, config=config))
        self._hear()
        self._house(config)
        events.info("config_reloaded", neighbors=list(config.neighbors))

    def _house(self, config: Config) -> None:
        """Hold the addresses of the new configuration, and those of the old one for as long as `linger`."""
        wanted = _addresses(config)
        self._addresses.set(replace(wanted, vips=wanted.vips | self._addresses.value.vips))
        if self._moving_out is not None:
            self._moving_out.cancel()
        self._moving_out = asyncio.get_running_loop().call_later(
            config.drain.linger, self._addresses.set, wanted
        )

    # --- the last things, and the first ---

    async def _depart(self) -> None:
        """Hand over what can be, withdraw the rest, and wait until nobody needs this pod any more."""
        told_at = asyncio.get_running_loop().time()
        stood = bool(self._steering.rib.value.routes)
        with suppress(TimeoutError):  # a second signal, which skips the waiting
            async with asyncio.timeout(None) as self._patience:
                self._enter(Phase.LEAVING)
                if self._facts.value.config.coordination is not None:
                    await departure.handed_over(self._steering.announcements, self._facts.value.config.drain)
                elif stood:
                    await asyncio.sleep(self._facts.value.config.drain.graceful_shutdown)
                self._enter(Phase.LEFT)
                await self._empty_the_wire()
                drain = self._facts.value.config.drain
                events.info("pod_withdrawn", linger=drain.linger if stood else 0.0)
                await departure.unused(drain, told_at, stood=stood)
        self._enter(Phase.LEFT)

    def _enter(self, phase: Phase) -> None:
        self._facts.set(replace(self._facts.value, phase=phase))

    async def _empty_the_wire(self) -> None:
        """Return when everything is withdrawn and the ToRs have it, or have had their time."""
        assert self._speaker is not None  # noqa: S101 - it is entered before anybody can leave
        await self._steering.rib.until(lambda rib: not rib.routes)
        with suppress(TimeoutError):
            async with asyncio.timeout(EMPTYING):
                await self._speaker.flushed()

    async def _sessions_had_their_start(self) -> None:
        """Return when every session is Established and has been told, or has had its time."""
        assert self._speaker is not None  # noqa: S101 - it is entered before the first turn of the loop
        with suppress(TimeoutError):
            async with asyncio.timeout(HEAD_START):
                await self._speaker.changed.until(
                    lambda states: all(states.get(name) is State.ESTABLISHED for name in self._peers.value)
                )
                await self._speaker.flushed()

    def _tolerable_lag(self) -> Seconds:
        """What is a stall (rule 14 of coordination): a third of the shortest hold time."""
        return min((peer.hold_time / 3 for peer in self._peers.value.values() if peer.hold_time), default=3.0)

    # --- what is seen from outside ---

    def _observe(self) -> Observed:
        facts = self._facts.value
        assert self._speaker is not None and self._bfd is not None  # noqa: S101, PT018 - nobody is answered before
        return Observed(
            version=__version__,
            pod=socket.gethostname()
            if facts.config.coordination is None
            else facts.config.coordination.pod_id,
            pid=os.getpid(),
            config=facts.config,
            loaded=self._loaded,
            reading=self._reading,
            phase=facts.phase,
            started=self._started,
            now=asyncio.get_running_loop().time(),
            wall=time.time(),
            peers=self._speaker.status(),
            bfd=self._bfd.status(),
            bfd_strangers=self._bfd.strangers,
            announcements=self._steering.announcements.value,
            checks=facts.checks,
            held=facts.held if self._addresses.value.vips else None,
            told=self._speaker.told(),
            prefixes=self._steering.prefixes,
            lag=self._lag.latest,
            lag_max=self._lag.worst,
            log_lines_dropped=log.STDERR.dropped,
            maintenance=facts.maintenance,
            link=None if self._siblings.link is None else self._siblings.link.value,
            insights={
                name: Insight(view=course.view, memory=course.memory)
                for name, course in self._steering.courses.items()
                if course.wish is not None
            },
            expirations=self._siblings.expirations,
            takeovers=self._steering.takeovers,
            definitions=self._definitions.told(),
        )


@asynccontextmanager
async def running(*parts: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """Run parts that have no end of their own, side by side, while inside."""
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(part) for part in parts]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()


def _watch(config: Config) -> Watch:
    """What witnesses look at: every VIP of a service that listens to them, ours or not."""
    if config.coordination is None:
        return Watch()
    witnessed = (service.service.vips for service in config.services if service.service.witness)
    return Watch(
        prefixes=frozenset(Prefix.host(vip) for vips in witnessed for vip in vips),
        anchors=config.coordination.anchors,
    )


def _checks(config: Config) -> Mapping[str, Check]:
    return {key: check for service in config.services for key, check in service.checks.items()}


def _hooks(config: Config) -> Mapping[str, Hook]:
    return {service.service.name: service.hook for service in config.services if service.hook is not None}


def _where(config: Config) -> Mapping[str, CoordinationConfig]:
    return {} if config.coordination is None else {"zookeeper": config.coordination}


def _addresses(config: Config) -> Addresses:
    asked = (service.service.vips for service in config.services if service.require_address)
    return Addresses(
        vips=frozenset(vip for vips in asked for vip in vips),
        manage=config.loopback.manage,
        label=config.loopback.label,
    )
