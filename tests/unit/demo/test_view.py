"""What the demo draws, as text: colours stripped, words and places kept."""

import re

from vipd.demo import view
from vipd.demo.story import Happening, Measured, PodView, Scene


def plain(text: str) -> list[str]:
    return re.sub(r"\x1b\[\d+m", "", text).splitlines()


def pod(*, service: str = "200 OK", told: bool = True) -> PodView:
    return PodView(
        name="pod-1",
        vip="192.0.2.1",
        service=service,
        verdict="ASSIGNED" if told else "UNHEALTHY",
        reason="it is ours" if told else "check http: status 503",
        told={"tor-a": told, "tor-b": False},
    )


def test_a_pod_stands_on_two_lines_with_what_each_tor_has_of_it():
    drawn = plain(view.draw(Scene(now=1.25, tors=("tor-a", "tor-b"), pods=(pod(),))))
    assert drawn[0].endswith("1.2 s")
    assert drawn[3].split() == ["pod-1", "192.0.2.1", "announced", "-", "200", "OK", "ASSIGNED"]
    assert drawn[4].strip() == "why: it is ours"


def test_health_and_announcement_are_told_by_colour_too():
    good = view.draw(Scene(now=0, tors=("tor-a",), pods=(pod(),)))
    bad = view.draw(Scene(now=0, tors=("tor-a",), pods=(pod(service="503 Service Unavailable", told=False),)))
    assert f"{view.GREEN}announced" in good
    assert f"{view.GREEN}200 OK" in good
    assert f"{view.RED}503" in bad
    assert view.GREEN not in bad


def test_only_the_newest_lines_of_the_story_are_drawn():
    story = tuple(Happening(at=float(n), text=f"line {n}") for n in range(5))
    drawn = plain(view.draw(Scene(now=0, tors=(), pods=(), happenings=story), lines=2))
    assert drawn[-2:] == ["   3.00 s  line 3", "   4.00 s  line 4"]


def test_a_reason_is_cut_to_the_terminals_width():
    drawn = plain(view.draw(Scene(now=0, tors=(), pods=(pod(told=False),)), width=23))
    assert drawn[4].strip() == "why: check http"


def test_a_measured_change_is_told_in_milliseconds():
    figure = Measured(what="withdrawal", since_change=0.65, since_result=0.0014, answers=3)
    assert view.measured(figure) == (
        "withdrawal at both ToRs 650 ms after the service changed, 1.4 ms after answer 3, which decided it"
    )
