"""Draws a scene as text. Knows terminals only by their size and by whether they have colours."""

from collections.abc import Iterable

from vipd.demo.story import Happening, Move, PodView, Said, Scene, VipView

GREEN, RED, DIM, BOLD, PLAIN = "\x1b[32m", "\x1b[31m", "\x1b[2m", "\x1b[1m", "\x1b[0m"


def draw(scene: Scene, *, width: int = 100, height: int = 30) -> str:
    """Draw the rack, and as much of the end of its story as there is room for."""
    rows = [
        f"{BOLD}vipd demo{PLAIN}  three pods, two ToRs, {scene.zookeeper}{DIM}{scene.now:>10.1f} s{PLAIN}",
    ]
    for vip in scene.vips:
        rows += ["", _vip(vip), *(_pod(pod, vip, width) for pod in scene.pods)]
    rows.append("")
    room = max(1, height - len(rows) - 1)
    return "\n".join([*rows, *(happening(line)[:width] for line in scene.happenings[-room:])]) + "\n"


def happening(line: Happening) -> str:
    return f"{line.at:7.2f} s  {line.text}"


def verdict(pod: PodView, vip: str) -> str:
    """Say what a pod decided of a VIP, and why."""
    said = pod.said.get(vip) or Said(word="-", reason=pod.silent)
    return f"{pod.name:<7}{said.word:<14}{said.reason}"


def move(made: Move) -> str:
    """Say what a move cost, in milliseconds."""
    silent = f"{_silent(made)} without an announcer"
    return f"{made.vip} is with {made.to}, {_took(made)} after {made.cause}; {silent}"


def summary(moves: Iterable[Move]) -> str:
    """List what each move cost."""
    heads = f"  {'what befell':<32}{'VIP':<11}{'is with':<9}{'after':<28}without an announcer"
    rows = [f"  {made.cause:<32}{made.vip:<11}{made.to:<9}{_took(made):<28}{_silent(made)}" for made in moves]
    return "\n".join([heads, *rows])


def milliseconds(seconds: float) -> str:
    return f"{seconds * 1000:.0f} ms" if seconds >= 0.01 or not seconds else f"{seconds * 1000:.1f} ms"


def _took(made: Move) -> str:
    limit = "" if made.within is None else f" of at most {milliseconds(made.within)}"
    return f"{milliseconds(made.took)}{limit}"


def _silent(made: Move) -> str:
    return milliseconds(made.silent) + ("" if made.kept else " (NOT AS PROMISED)")


def _vip(vip: VipView) -> str:
    told = "  ".join(
        f"{tor} {GREEN}{' + '.join(pods)}{PLAIN}" if pods else f"{tor} {RED}nobody{PLAIN}"
        for tor, pods in vip.announcers.items()
    )
    return f"{BOLD}{vip.vip}{PLAIN}  {DIM}pinned to{PLAIN} {vip.pin}   {DIM}announced at{PLAIN}  {told}"


def _pod(pod: PodView, vip: VipView, width: int) -> str:
    announces = any(pod.name in pods for pods in vip.announcers.values())
    mark = f"{GREEN}*{PLAIN}" if announces else " "
    health = GREEN if pod.service.startswith("200") else RED
    status = pod.service.partition(" ")[0]
    return f"{mark} {health}{status}{PLAIN}  {verdict(pod, vip.vip)[: width - 7]}"
