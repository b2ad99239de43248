"""Commands that the operator wants run when the health of a service turns. Nothing waits for them."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Never

import structlog

from vipd import children, subprocesses, words
from vipd.health import Hook
from vipd.latest import Latest

log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """The health of a service, as a hook is told of it."""

    up: bool
    reason: str  # one sentence
    vips: tuple[str, ...] = ()


async def follow(hooks: Latest[Mapping[str, Hook]], states: Latest[Mapping[str, State]]) -> Never:
    """Run the hook of a service, both by its name, whenever the service goes up or down.

    One run at a time for each service. What happens meanwhile is told by the next run, if it still differs
    from what was told: a hook hears the newest, and not everything. A service that is not there yet is
    down, and so the first thing a hook hears is that it came up. What stands when a hook is configured, or
    changed, it is not told.
    """

    async def child(name: str, hook: Hook) -> None:
        told = _up(states.value, name)
        async for now in states:
            if _up(now, name) is not told:
                told = not told
                await _run(hook, now.get(name, State(up=False, reason="not configured")))

    await children.follow(hooks, child)


def _up(states: Mapping[str, State], name: str) -> bool:
    return name in states and states[name].up


async def _run(hook: Hook, state: State) -> None:
    word = "up" if state.up else "down"
    bound = log.bind(service=hook.service, state=word)
    began = asyncio.get_running_loop().time()
    env = {
        "VIPD_SERVICE": hook.service,
        "VIPD_STATE": word,
        "VIPD_REASON": state.reason,
        "VIPD_VIPS": " ".join(state.vips),
    }
    try:
        finished = await subprocesses.run(hook.command, timeout=hook.timeout, env=env)
    except OSError as error:
        bound.warning("hook_failed", reason=words.of(error))
        return
    except Exception:  # noqa: BLE001 - a hook must not take down a speaker
        bound.exception("hook_failed", reason="a bug in vipd")
        return
    duration = round(asyncio.get_running_loop().time() - began, 3)
    if finished.status is None:
        bound.warning("hook_failed", reason=f"killed after {hook.timeout:g} s", output=finished.output)
    elif finished.status:
        reason = subprocesses.spell(finished.status)
        bound.warning("hook_failed", reason=reason, output=finished.output, duration=duration)
    else:
        bound.info("hook_finished", output=finished.output, duration=duration)
