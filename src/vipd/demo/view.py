"""Draws a scene as text. Knows terminals only by their width and by whether they have colours."""

from collections.abc import Sequence

from vipd.demo.story import Happening, Measured, PodView, Scene

GREEN, RED, DIM, BOLD, PLAIN = "\x1b[32m", "\x1b[31m", "\x1b[2m", "\x1b[1m", "\x1b[0m"


def draw(scene: Scene, *, width: int = 100, lines: int = 12) -> str:
    """Draw the rack, and the last `lines` lines of its story."""
    heads = "".join(f"{tor:<12}" for tor in scene.tors)
    title = f"{BOLD}vipd demo{PLAIN}  three pods, two ToRs, real BGP sessions on loopback addresses"
    rows = [
        f"{title}{DIM}{scene.now:>12.1f} s{PLAIN}",
        "",
        f"{DIM}{'Pod':<8}{'VIP':<13}{heads}{'Service':<26}Verdict{PLAIN}",
    ]
    for pod in scene.pods:
        rows.append(_pod(pod, scene.tors))
        rows.append(f"{DIM}{'':<8}why: {pod.reason[: width - 13]}{PLAIN}")
    rows += ["", *(happening(line) for line in scene.happenings[-lines:])]
    return "\n".join(rows) + "\n"


def happening(line: Happening) -> str:
    return f"{line.at:7.2f} s  {line.text}"


def measured(figure: Measured) -> str:
    """Say what one change cost, in milliseconds."""
    return (
        f"{figure.what} at both ToRs {figure.since_change * 1000:.0f} ms after the service changed, "
        f"{figure.since_result * 1000:.1f} ms after answer {figure.answers}, which decided it"
    )


def _pod(pod: PodView, tors: Sequence[str]) -> str:
    told = "".join(
        f"{GREEN}{'announced':<12}{PLAIN}" if pod.told.get(tor) else f"{RED}{'-':<12}{PLAIN}" for tor in tors
    )
    colour = GREEN if pod.service.startswith("200") else RED
    return f"{BOLD}{pod.name:<8}{PLAIN}{pod.vip:<13}{told}{colour}{pod.service:<26}{PLAIN}{pod.verdict}"
