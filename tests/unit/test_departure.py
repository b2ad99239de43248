import asyncio
from dataclasses import replace

from sim.loop import simulated
from vipd import departure
from vipd.config import DrainConfig
from vipd.coord.member import Announcements, Verdict, Vip, Word
from vipd.latest import Latest


def decided(*ranks) -> dict[str, Announcements]:
    verdicts = {
        Vip(f"192.0.2.{number}"): Verdict(word=Word.KEEPING, reason="", rank=rank, since=0.0)
        for number, rank in enumerate(ranks)
    }
    return {"apex": Announcements(verdicts=verdicts)}


def now() -> float:
    return asyncio.get_running_loop().time()


@simulated
async def test_all_is_handed_over_when_nothing_stands():
    announcements = Latest(decided(1, 1))
    asyncio.get_running_loop().call_later(2, announcements.set, decided(None, 1))
    asyncio.get_running_loop().call_later(3, announcements.set, decided(None, None))
    await departure.handed_over(announcements, DrainConfig())
    assert now() == 3


@simulated
async def test_what_stands_aside_is_waited_for():
    nothing = decided(None)["apex"]
    aside = {"apex": replace(nothing, aside=dict.fromkeys(nothing.verdicts, 2.0))}
    announcements = Latest(aside)
    asyncio.get_running_loop().call_later(2, announcements.set, {"apex": nothing})
    await departure.handed_over(announcements, DrainConfig())
    assert now() == 2


@simulated
async def test_a_hand_over_has_an_end_whoever_takes_nothing():
    await departure.handed_over(Latest(decided(1)), DrainConfig(timeout=12.0))
    assert now() == 12


@simulated
async def test_connections_have_linger_from_the_withdrawal_and_min_from_the_signal():
    await asyncio.sleep(3)
    await departure.unused(DrainConfig(linger=5.0), told_at=0.0, stood=True)
    assert now() == 8
    await departure.unused(DrainConfig(linger=1.0, min=20.0), told_at=0.0, stood=True)
    assert now() == 20


@simulated
async def test_what_announced_nothing_waits_for_nobody():
    await departure.unused(DrainConfig(min=20.0), told_at=0.0, stood=False)
    assert now() == 0


async def test_a_command_says_when_nobody_is_served_any_more(tmp_path, monkeypatch):
    monkeypatch.setattr(departure, "ASKING", 0.01)
    runs = tmp_path / "runs"
    drain = DrainConfig(
        linger=60.0, timeout=60.0, done=("/bin/sh", "-c", f"echo >> {runs}; test $(wc -l < {runs}) -ge 3")
    )
    async with asyncio.timeout(30):
        await departure.unused(drain, told_at=now(), stood=True)
    assert runs.read_text().count("\n") == 3


async def test_a_command_that_never_says_so_or_cannot_be_run_is_waited_for_no_longer_than_timeout(
    monkeypatch,
):
    monkeypatch.setattr(departure, "ASKING", 0.01)
    for command in (("/bin/false",), ("/nowhere/at/all",)):
        async with asyncio.timeout(30):
            await departure.unused(
                DrainConfig(linger=0.0, timeout=0.1, done=command), told_at=now(), stood=True
            )
