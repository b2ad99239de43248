"""Each rule's opposite, and the scenario that it must not survive. `python -m sim.mutants` shows all of them.

A mutant that its scenario cannot tell from the original shows a rule that is not needed, or a blind scenario.
"""

import argparse
import asyncio
import os
import subprocess
import sys
from dataclasses import dataclass

from sim.mutation import Change, install


@dataclass(frozen=True, kw_only=True)
class Mutant:
    """A change of the rules, and where it must show."""

    scenario: str
    changes: tuple[Change, ...]
    equal: str = ""  # why nothing can tell it from the original; "": it must be caught


def _mutant(scenario: str, *changes: tuple[str, str, str], equal: str = "") -> Mutant:
    return Mutant(
        scenario=scenario,
        equal=equal,
        changes=tuple(Change(module=f"vipd.coord.{where}", old=old, new=new) for where, old, new in changes),
    )


READ_BACK = (
    "a pod goes only when its record, read back without the VIP, stands in one reading beside others that "
    "claim it. The answer to its transaction has come after the news of all that was done before; so has, "
    "where that answer was lost, the answer to the sync of its next connection, and ZooKeeper refuses what "
    "an earlier connection still has under way (SessionMoved). So who took back last reads that the others "
    "did so before, and claims it again: as it would have to after a refusal, but later"
)
MUTANTS = {
    "no witness": _mutant("seen_to_die", ("witness", "if not service.witness or not sights:", "if True:")),
    "believing a router without its anchor": _mutant(
        "cut_off_rack",
        ("witness", "clear = [sight for sight in sights if sight.clear_at <= now]", "clear = list(sights)"),
    ),
    "believing that everything has gone": _mutant(
        "seen_all_at_once", ("witness", "if len(gone) < 2:", "if True:")
    ),
    "telling nobody in whose place": _mutant(
        "seen_no_more", ("witness", "found.setdefault(vip, pod)", "pass")
    ),
    "witnessing again at once": _mutant(
        "seen_now_and_then", ("witness", "due = max(due, last.held_until(times))", "pass")
    ),
    "no version check": _mutant(
        "late_views",
        ("membership", "transact([*checks, taken_back])", "transact([taken_back])"),
        equal=READ_BACK,
    ),
    "going before the record is read back": _mutant(
        "late_views", ("decision", "elif case.own is None or vip in case.own:", "elif False:")
    ),
    "checking only one record": _mutant(
        "late_views_at_copies",
        ("membership", "[*checks, taken_back]", "[*checks[:1], taken_back]"),
        equal=READ_BACK,
    ),
    "no settle": _mutant(
        "routers_tell_before_they_forward", ("case", "settle=service.times.settle", "settle=0.0")
    ),
    "no settle, before and after": _mutant(
        "slow_rack",
        ("case", "settle=service.times.settle", "settle=0.0"),
        ("decision", "yield vip, now + settle", "pass"),
    ),
    "taking in haste": _mutant(
        "routers_tell_before_they_forward",
        ("decision", "for vip in (case.mine & case.claimed) - case.lost.keys():", "for vip in ():"),
    ),
    "letting go in haste": _mutant(
        "routers_tell_before_they_forward", ("decision", "yield vip, now + settle", "pass")
    ),
    "no claim-timeout": _mutant(
        "deaf_heir", ("case", "timeout = service.times.claim_timeout", "timeout = 1e9")
    ),
    "claiming on write": _mutant(
        "deaf_returner", ("handover", "if me.acknowledged.get(vip) == rank:", "if vip in me.carried:")
    ),
    "forgetting members on reconnect": _mutant(
        "everything_forgotten", ("trust", "    if _back(trust, me, view):", "    if False:")
    ),
    "one name across sessions": _mutant(
        "quick_restart", ("layout", '{session & 0xFFFF_FFFF_FFFF_FFFF:x}"', '1"')
    ),
    "releasing to a standby": _mutant(
        "routers_tell_before_they_forward_hot",
        ("handover", "= first(sibling.record.announcing)", "= frozenset(sibling.record.announcing)"),
    ),
    "the bound without exception": _mutant(
        "one_can_do_all",
        ("placement", "able = [pod for pod in self._members if", "able = [pod for pod in () if"),
    ),
    "damping while untrusted": _mutant(
        "blip_in_an_outage",
        (
            "decision",
            "(*_LOCAL, _held, _witnessed, _cold)",
            "(*_LOCAL, _damped, _held, _witnessed, _cold)",
        ),
        (
            "case",
            "        excused=memory.last_resort & case.suspect,\n    )",
            "        excused=memory.last_resort & case.suspect,\n        damped=DAMPED,\n    )".replace(
                "DAMPED", "memory.damping.damped(case.now, case.service.times)"
            ),
        ),
    ),
    "comparing with what one believes one wrote": _mutant(
        "lost_write",
        (
            "membership",
            "standing = None if self._own is None else self._own.data",
            "standing = None if self._own is None else getattr(self, '_believed', None)",
        ),
        (
            "membership",
            "path, octets = self._roster.path(view.own), self._octets(wish.record)",
            (
                "path, octets = self._roster.path(view.own), self._octets(wish.record)\n"
                "        self._believed = octets"
            ),
        ),
    ),
    "placing by the newest that oneself can": _mutant(
        "crash_in_an_upgrade",
        ("placement", "return min((max(algorithms), *others))", "return max(algorithms)"),
    ),
    "placing by what those who are eligible can": _mutant(
        "drain_in_an_upgrade",
        (
            "case",
            "(sibling.record.algorithm for sibling in others)",
            "(sibling.record.algorithm for sibling in others if _able(sibling, drains))",
        ),
    ),
    "counting the 2T from the loss": _mutant(
        "hours_without_zookeeper_or_its_data",
        ("trust", "until = now + 2 * view", "until = trust.view.trusted_until + 2 * view"),
    ),
    "counting as there whoever goes": _mutant(
        "gone_in_an_outage", ("trust", "    if _back(trust, me, view):", "    if trust.view is not None:")
    ),
    "counting as there for ever who has not come back": _mutant(
        "gone_in_an_outage_that_forgets",
        ("trust", "not in here and now < each.until}", "not in here}"),
    ),
    "trusting a view behind a hung read": _mutant(
        "slow_reads", ("trust", "return min(view.trusted_until, hung)", "return view.trusted_until")
    ),
    "going while a write is unread": _mutant(
        "unread_claim", ("membership", "self._show(replace(view, unread_write=True))", "self._show(view)")
    ),
    "taking on what was read before a stall": _mutant(
        "clock_jump", ("decision", "(*_LOCAL, _waiting, _witnessed", "(*_LOCAL, _witnessed")
    ),
    "no last resort": _mutant(
        "checks_fail_everywhere",
        ("case", "if case.service.last_resort is LastResort.KEEP:", "if False:"),
    ),
    "holding whatever coordination-loss says": _mutant(
        "loss_own",
        (
            "decision",
            "if case.service.pins.get(vip) != case.me.pod:\n                return (",
            "if False:\n                return (",
        ),
    ),
    "reading records of algorithms that are not known": _mutant(
        "a_version_too_far", ("roster", "and record.algorithm < self._oldest", "and False")
    ),
}


def survives(name: str) -> int:
    """Play a mutant's scenario with it in place of the original; 0 if nothing is amiss."""
    mutant = MUTANTS[name]
    install(*mutant.changes)
    from sim.__main__ import quietly  # noqa: PLC0415 - what they import is changed first
    from sim.invariants import Violation  # noqa: PLC0415
    from sim.process import WorldLoop  # noqa: PLC0415
    from sim.scenarios import SCENARIOS  # noqa: PLC0415

    quietly()
    with asyncio.Runner(loop_factory=WorldLoop) as runner:
        try:
            runner.run(SCENARIOS[mutant.scenario]())
        except Violation as violation:
            print(violation.what)
            return 1
        except BaseExceptionGroup as group:
            print(f"a pod died: {group}")
            return 1
    return 0


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m sim.mutants", description=__doc__)
    parser.add_argument("--name", choices=MUTANTS, help="this one, here")
    asked = parser.parse_args()
    if asked.name:
        return survives(asked.name)
    alive = 0
    for name, mutant in MUTANTS.items():
        played = subprocess.run(
            [sys.executable, "-m", "sim.mutants", "--name", name],
            env={**os.environ, "PYTHONHASHSEED": "0"},
            capture_output=True,
            text=True,
            check=False,
        )
        caught = played.returncode == 1 and played.stdout
        alive += not caught and not (mutant.equal and played.returncode == 0)
        what = played.stdout.strip() or played.stderr.strip().rpartition("\n")[2] or "nothing was amiss"
        if mutant.equal and not caught:
            what += f" ({mutant.equal})"
        verdict = "caught  " if caught else "equal   " if mutant.equal else "SURVIVED"
        print(f"{verdict}  {name}, in {mutant.scenario}: {what}", flush=True)
    print(f"{len(MUTANTS)} mutants, {alive} of them survived")
    return 1 if alive else 0


if __name__ == "__main__":
    sys.exit(main())
