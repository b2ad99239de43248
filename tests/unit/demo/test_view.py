"""What the demo draws, as text: colours stripped, words and places kept."""

import re
from dataclasses import replace

from vipd.demo import view
from vipd.demo.story import Happening, Move, PodView, Said, Scene, VipView

HERE = PodView(
    name="pod-1",
    service="200 OK",
    said={"192.0.2.1": Said(word="ASSIGNED", reason="pinned to this pod")},
)
FAILING = PodView(
    name="pod-2",
    service="503 Service Unavailable",
    said={"192.0.2.1": Said(word="UNHEALTHY", reason="check http: status 503")},
)
KILLED = PodView(name="pod-3", service="200 OK", silent="it was killed")
MOVE = Move(
    vip="192.0.2.1",
    cause="the service of pod-1 failed",
    to="pod-2",
    took=1.1,
    silent=0.0094,
    planned=False,
)


def plain(text: str) -> list[str]:
    return re.sub(r"\x1b\[\d+m", "", text).splitlines()


def vip(**announcers: tuple[str, ...]) -> VipView:
    return VipView(vip="192.0.2.1", pin="pod-1", announcers=announcers)


def scene(told: VipView, *pods: PodView, lines: int = 0) -> Scene:
    story = tuple(Happening(at=float(n), text=f"line {n}") for n in range(lines))
    return Scene(now=1.25, zookeeper="some ZooKeeper", vips=(told,), pods=pods, happenings=story)


def test_a_vip_stands_above_what_each_pod_says_of_it():
    drawn = plain(view.draw(scene(vip(a=("pod-1",), b=("pod-1", "pod-2")), HERE, FAILING, KILLED)))
    assert drawn[0].startswith("vipd demo  three pods, two ToRs, some ZooKeeper")
    assert drawn[0].endswith(" 1.2 s")
    assert drawn[2] == "192.0.2.1  pinned to pod-1   announced at  a pod-1  b pod-1 + pod-2"
    assert drawn[3] == "* 200  pod-1  ASSIGNED      pinned to this pod"
    assert drawn[4] == "* 503  pod-2  UNHEALTHY     check http: status 503"
    assert drawn[5] == "  200  pod-3  -             it was killed"


def test_health_and_announcement_are_told_by_colour_too():
    good = view.draw(scene(vip(a=("pod-1",)), HERE))
    assert f"{view.GREEN}pod-1{view.PLAIN}" in good
    assert f"{view.GREEN}200" in good
    assert view.RED not in good
    bad = view.draw(scene(vip(a=()), FAILING))
    assert f"{view.RED}nobody{view.PLAIN}" in bad
    assert f"{view.RED}503" in bad
    assert view.GREEN not in bad


def test_as_much_of_the_story_is_drawn_as_there_is_room_for():
    told = scene(vip(a=()), HERE, lines=9)
    assert len(plain(view.draw(told, height=8))) == 7
    assert plain(view.draw(told, height=8))[-2:] == ["   7.00 s  line 7", "   8.00 s  line 8"]
    assert plain(view.draw(told, height=1))[-2:] == ["", "   8.00 s  line 8"]


def test_what_is_wider_than_the_terminal_is_cut():
    drawn = plain(view.draw(scene(vip(a=()), FAILING, lines=1), width=33))
    assert drawn[3] == "  503  pod-2  UNHEALTHY     check"
    assert drawn[5] == "   0.00 s  line 0"


def test_a_move_is_told_in_milliseconds():
    assert view.move(MOVE) == (
        "192.0.2.1 is with pod-2, 1100 ms after the service of pod-1 failed; 9.4 ms without an announcer"
    )
    planned = replace(MOVE, planned=True, silent=0.0)
    assert view.move(planned).endswith("; 0 ms without an announcer")
    limited = replace(MOVE, within=3.0, silent=1.0994)
    assert "1100 ms of at most 3000 ms after" in view.move(limited)
    assert "; 1099 ms without" in view.move(limited)


def test_a_move_that_broke_its_promise_says_so():
    assert view.move(replace(MOVE, within=1.0)).endswith("9.4 ms (NOT AS PROMISED) without an announcer")


def test_the_summary_has_a_row_for_each_move():
    heads, *rows = view.summary([MOVE, replace(MOVE, took=2.0, within=3.0)]).splitlines()
    assert re.split(r"  +", heads.strip()) == [
        "what befell",
        "VIP",
        "is with",
        "after",
        "without an announcer",
    ]
    assert [re.split(r"  +", row.strip()) for row in rows] == [
        ["the service of pod-1 failed", "192.0.2.1", "pod-2", "1100 ms", "9.4 ms"],
        ["the service of pod-1 failed", "192.0.2.1", "pod-2", "2000 ms of at most 3000 ms", "9.4 ms"],
    ]
    assert heads.index("without") == rows[0].index("9.4 ms")
