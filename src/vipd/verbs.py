"""What operators say over ZooKeeper, from any host that reaches it. No daemon is asked.

Each verb opens a session of its own, does one thing within its time, and leaves. What is written can be
written twice: where the answer to a write was lost, it is written again.
"""

import asyncio
import os
import re
import socket
from argparse import Namespace
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final, TypeVar

from vipd import sharing
from vipd.config import Config, ConfigError, CoordinationConfig, load
from vipd.config.addresses import servers, znode
from vipd.config.coordination import read_login
from vipd.config.definition import policy_of, read_definition
from vipd.config.problems import Refused
from vipd.config.sections import TlsConfig
from vipd.coord import orders
from vipd.coord.account import survey
from vipd.coord.directory import AccessDenied, Directory, DirectoryLost, DirectoryRefused, LinkState
from vipd.coord.ensemble import Ensemble
from vipd.coord.exazk import Exazk
from vipd.coord.member import Order, Service, Vip
from vipd.coord.orders import Sight
from vipd.reach import reach
from vipd.who import who

Seconds = float
Json = dict[str, Any]
T = TypeVar("T")
Job = Callable[[Directory], Awaitable[T]]

AGAIN: Final[Seconds] = 0.05  # after a connection was lost
UNITS: Final[Mapping[str, Seconds]] = {"s": 1, "m": 60, "h": 3600, "d": 86400}


class NotDone(Exception):  # noqa: N818 - an end, not a mistake of ours
    """Why a verb was not done, in a sentence, and its exit status."""

    def __init__(self, status: int, sentence: str) -> None:
        super().__init__(sentence)
        self.status = status


@dataclass(frozen=True, slots=True, kw_only=True)
class Fleet:
    """Where the pods meet, and what the host that asks knows of them."""

    coordination: CoordinationConfig
    config: Config | None = None  # that of this host, if any

    @property
    def root(self) -> str:
        return self.coordination.root

    @property
    def places(self) -> Mapping[str, Exazk]:
        """Where those of its services lie that lie in ExaZK's layout."""
        services = () if self.config is None else self.config.services
        return {each.service.name: each.place for each in services if each.place is not None}

    def service(self, name: str) -> Service | None:
        """A service as this host's configuration has it; None where there is none."""
        services = () if self.config is None else self.config.services
        return next((each.service for each in services if each.service.name == name), None)


def fleet(arguments: Namespace) -> Fleet:
    """Say where ZooKeeper is: as the command line has it, or the configuration. Raises NotDone."""
    if arguments.zookeeper:
        return Fleet(coordination=_told(arguments))
    try:
        config = load(arguments.config, os.environ)
    except ConfigError as error:
        raise NotDone(os.EX_CONFIG, f"{error}\nvipd: without a configuration, say --zookeeper") from error
    if config.coordination is None:
        raise NotDone(os.EX_CONFIG, f"{arguments.config} has no [coordination]: say --zookeeper HOST:PORT")
    return Fleet(coordination=config.coordination, config=config)


def _told(arguments: Namespace) -> CoordinationConfig:
    try:
        found, chroot = servers(arguments.zookeeper)
        root = znode(arguments.root)
        login = read_login(arguments.auth_file) if arguments.auth_file else ""
    except Refused as refused:
        raise NotDone(os.EX_USAGE, refused.reason) from refused
    tls = TlsConfig(
        ca=arguments.tls_ca or None,
        certificate=arguments.tls_certificate or None,
        key=arguments.tls_key or None,
    )
    return CoordinationConfig(
        ensemble=Ensemble(servers=found, chroot=chroot, credentials=login),
        pod_id=socket.gethostname(),
        root=root,
        tls=tls if arguments.tls or tls != TlsConfig() else None,
    )


# --- the verbs ----------------------------------------------------------------------------------------


def maintenance(arguments: Namespace) -> Json:
    """Take a service off the air, or back. Return what was written."""
    given = _order(arguments)
    where, service = fleet(arguments), arguments.service

    async def job(directory: Directory) -> Json:
        if not arguments.anyway:
            sight = await orders.look(directory, where.root, where.places)
            there = sight.views.keys() | sight.maintenance.keys()
            known(service, there, f"no pod has registered for a service {service} below {where.root}")
        await orders.maintain(directory, where.root, service, given)
        return {"service": service, "order": sharing.order(given)}

    return ask(where, job, arguments.timeout)


def standing(arguments: Namespace) -> list[Json]:
    """Return the maintenance of a service, or of all."""
    where = fleet(arguments)
    sight = ask(where, lambda directory: orders.look(directory, where.root, where.places), arguments.timeout)
    services = sorted(sight.views.keys() | sight.maintenance.keys())
    if arguments.service:
        known(arguments.service, services, f"there is no service {arguments.service} below {where.root}")
        services = [arguments.service]
    return [
        {
            "service": service,
            "order": sharing.order(sight.maintenance.get(service)),
            "overdue": _overdue(sight.maintenance.get(service)),
        }
        for service in services
    ]


def drain(arguments: Namespace) -> Json:
    """Have a pod hand over what it announces; or, with an order that is lifted, take part again."""
    given = _order(arguments)
    where = fleet(arguments)
    pod = arguments.pod or where.coordination.pod_id

    async def job(directory: Directory) -> Json:
        if not arguments.anyway:
            sight = await orders.look(directory, where.root, where.places)
            there = sight.pods | sight.drains.keys()
            known(pod, there, f"no pod {pod} has registered below {where.root}")
        await orders.drain(directory, where.root, pod, given)
        return {"pod": pod, "order": sharing.order(given)}

    return ask(where, job, arguments.timeout)


def members(arguments: Namespace) -> list[Json]:
    """Return the members of a service, or of all, as their records have it."""
    where = fleet(arguments)
    sight = ask(where, lambda directory: orders.look(directory, where.root, where.places), arguments.timeout)
    services = sorted(sight.views)
    if arguments.service:
        known(arguments.service, services, f"no pod has registered for a service {arguments.service}")
        services = [arguments.service]
    return [{"service": name, **sharing.service(_survey(where, sight, name))} for name in services]


def why(arguments: Namespace, address: str) -> Json:
    """Return who should announce a VIP, who does, and what is awaited, by what the records say."""
    where = fleet(arguments)
    sight = ask(where, lambda directory: orders.look(directory, where.root, where.places), arguments.timeout)
    shared: list[str] = []
    for name in sight.views:
        account = _survey(where, sight, name)
        shared.extend(account.vips)
        if (vip := Vip(address)) in account.vips:
            told = sharing.vip(account.vips[vip])
            policy = _policy(where, sight, name)[1]
            return {"vip": vip, "service": name, **told, "policy": policy, "shared": sharing.service(account)}
    known(address, shared, f"no pod has registered with the VIP {address}")
    raise AssertionError("it is known, and was found above")


# --- what they share ----------------------------------------------------------------------------------


def _survey(where: Fleet, sight: Sight, name: str) -> Any:
    view = sight.views[name]
    return survey(_policy(where, sight, name)[0], view, view.read_at)


def _policy(where: Fleet, sight: Sight, name: str) -> tuple[Service, str | None]:
    """How a service is shared, and by whose word: what ZooKeeper defines, this host's file, or a guess."""
    node = sight.definitions.get(name)
    if node is not None:
        with suppress(ConfigError):
            return policy_of(read_definition(node.data or b"", node.path), name), "of its definition"
    service = where.service(name)
    return (Service(name=name, vips=()), None) if service is None else (service, "of the configuration")


def known(name: str, there: Any, sentence: str) -> None:
    """Refuse what nobody has heard of: it is mistyped more often than not."""
    if name in there:
        return
    some = sorted(there)
    more = f" and {len(some) - 10} more" if len(some) > 10 else ""
    names = f"there are {', '.join(some[:10])}{more}" if some else "there are none"
    raise NotDone(os.EX_DATAERR, f"{sentence}; {names}")


def _order(arguments: Namespace) -> Order:
    now = datetime.now(UTC)
    return Order(
        who=who(),
        why=arguments.reason or "",
        when=spell(now),
        until="" if arguments.until is None else spell(_until(arguments.until, now)),
        lifted=arguments.lifted,
    )


def _until(text: str, now: datetime) -> datetime:
    """Read "90m" or "2026-11-21T18:00"; without an offset it is this machine's time. Raises NotDone."""
    span = re.fullmatch(r"([0-9]{1,6})([smhd])", text, re.ASCII)
    if span:
        return now + timedelta(seconds=int(span[1]) * UNITS[span[2]])
    try:
        then = datetime.fromisoformat(text).astimezone(UTC)
    except (ValueError, OverflowError):
        wrong = f'--until {text}: must be a span, "90m" or "2h" (s, m, h, d), or a time, "2026-11-21T18:00"'
        raise NotDone(os.EX_USAGE, wrong) from None
    if then <= now:
        raise NotDone(os.EX_USAGE, f"--until {text}: is {spell(then)}, which has passed")
    return then


def spell(then: datetime) -> str:
    return then.strftime("%Y-%m-%dT%H:%M:%SZ")


def _overdue(given: Order | None) -> bool:
    """Whether it should have been lifted by now. What is not a time of ours never is."""
    return given is not None and not given.lifted and "" < given.until < spell(datetime.now(UTC))


def ask(where: Fleet, job: Job[T], within: Seconds) -> T:
    """Do a job in a session of its own. Raises NotDone."""
    return asyncio.run(_in_time(where, job, within))


async def _in_time(where: Fleet, job: Job[T], within: Seconds) -> T:
    done: list[T] = []
    failure: BaseException | None = None
    try:
        async with asyncio.timeout(within + 2.0), reach(where.coordination) as directory:
            try:  # what is raised in here, a task group would wrap
                async with asyncio.timeout(within):
                    done.append(await _again(directory, job))
            except TimeoutError:
                failure = _silent(where, directory, within)
            except (NotDone, DirectoryRefused, ValueError) as error:
                failure = error
    except TimeoutError:
        failure = NotDone(os.EX_UNAVAILABLE, f"ZooKeeper did not answer within {within:g} s")
    match failure:
        case AccessDenied():
            hint = "say --auth-file, or have auth-file in [coordination]"
            raise NotDone(os.EX_NOPERM, f"ZooKeeper: {failure}: {hint}") from failure
        case DirectoryRefused():
            raise NotDone(os.EX_DATAERR, f"ZooKeeper: {failure}") from failure
        case ValueError():
            raise NotDone(os.EX_USAGE, str(failure)) from failure
        case BaseException():
            raise failure
    return done[0]


async def _again(directory: Directory, job: Job[T]) -> T:
    """Do the job, and again for as long as the connection is lost in the middle of it."""
    while True:
        await directory.link.until(lambda link: link.state is LinkState.CONNECTED)
        try:
            return await job(directory)
        except DirectoryLost:
            await asyncio.sleep(AGAIN)


def _silent(where: Fleet, directory: Directory, within: Seconds) -> NotDone:
    servers = ",".join(map(str, where.coordination.ensemble.servers))
    error = directory.link.value.last_error
    why = f": {error}" if error else ""
    return NotDone(os.EX_UNAVAILABLE, f"ZooKeeper at {servers} was not reached within {within:g} s{why}")
