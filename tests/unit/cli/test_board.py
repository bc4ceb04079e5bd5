"""How work is shown: on a terminal as a table of what is under way, elsewhere by a line at its beginning and one at its end."""

from __future__ import annotations

import re
import time
from collections.abc import Callable

import pytest

from foundation.progress import Progress
from landing_zone.cli.board import Board
from landing_zone.engine.events import Task, Tick
from tests.support.terminal import on_a_terminal, screen

SECONDS = re.compile(r"\d+(\.\d+)?(?= ?s)")


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> Callable[[], list[str]]:
    """The lines that a person sees on a terminal by now; every number of seconds as N."""
    written = on_a_terminal(monkeypatch)

    def lines() -> list[str]:
        return [" ".join(SECONDS.sub("N", line).split()) for line in screen(written.getvalue()) if line]

    return lines


def soon(seen: Callable[[], list[str]], wanted: list[str]) -> None:
    """The table is drawn four times a second: these lines are on the screen before long, and no others."""
    deadline = time.monotonic() + 10
    while seen() != wanted and time.monotonic() < deadline:
        time.sleep(0.05)
    assert seen() == wanted


def test_plain_lines(capsys: pytest.CaptureFixture[str]) -> None:
    board = Board(Progress())
    with board.showing():
        board.begun(Task("lab.north.network", "up", 39))
        board.ticked(Tick("lab.north.network", 39, 39, "network app"))
        board.ended("lab.north.network", True, 10.6)
        board.begun(Task("lab.south.network", "up", 39))
        board.ended("lab.south.network", False, 3.0)
    said = capsys.readouterr().err
    assert "lab.north.network: up ..." in said
    assert "lab.north.network: up done, 39 resources in 10.6 s" in said
    assert "lab.south.network: up FAILED, 0 resources in 3.0 s" in said


def test_on_a_terminal_the_table_stays_below_what_is_said_and_goes_at_the_end(seen: Callable[[], list[str]]) -> None:
    board = Board(Progress())
    with board.showing():
        board.begun(Task("lab.north.network", "up", 0))
        board.begun(Task("lab.south.network", "up", 0))
        board.ticked(Tick("lab.north.network", 12, 0, "rule of [web]"))
        soon(seen, ["lab.north.network up 12 N s rule of [web]", "lab.south.network up 0 N s"])
        board.say("host key pinned")
        board.ended("lab.north.network", True, 10.6)
        board.ended("lab.south.network", False, 3.0)
        said = ["Ns host key pinned", "Ns lab.south.network: up FAILED, 0 resources in N s"]
        soon(seen, [*said, "lab.north.network up 12 N s done", "lab.south.network up 0 N s FAILED"])
    assert seen() == said


def test_on_a_terminal_the_time_to_go_is_told(seen: Callable[[], list[str]]) -> None:
    board = Board(Progress())
    with board.showing():
        board.begun(Task("lab.north.network", "up", 39))
        board.ticked(Tick("lab.north.network", 13, 39, "network app"))
        soon(seen, ["lab.north.network up 13/39 N s network app", "about N s to go"])


def test_on_a_terminal_steps_are_shown_while_they_are_under_way(seen: Callable[[], list[str]]) -> None:
    work = Progress()
    with work.showing():
        with work.step("base tree"), work.step("guest image [13]"):
            soon(seen, ["base tree N s", "guest image [13] N s"])
        soon(seen, ["Ns guest image [13]: done in N s", "Ns base tree: done in N s"])
        with pytest.raises(ValueError), work.step("seed"):
            raise ValueError
    assert seen()[2:] == ["Ns seed: failed after N s"]
    with work.step("north: boot"):
        assert seen()[3:] == ["Ns north: boot ..."]


def time_to_go(board: Board) -> float:
    """Seconds that are told to be left; the test fails when none are."""
    left = board.remaining()
    assert left is not None
    return left


def test_what_has_not_begun_is_left_too() -> None:
    board = Board(Progress())
    board.expect({"a": 10, "b": 990})
    board.begun(Task("a", "up", 10))
    assert board.remaining() is None
    time.sleep(0.1)
    board.ticked(Tick("a", 10, 10, "x"))
    assert time_to_go(board) > 9
    board.ended("a", True, 0.1)
    board.begun(Task("b", "up", 990))
    board.ticked(Tick("b", 500, 990, "x"))
    assert time_to_go(board) < 9
    board.ended("b", False, 0.1)
    assert board.remaining() is None


def test_plain_lines_say_how_much_is_left_of_all(capsys: pytest.CaptureFixture[str]) -> None:
    board = Board(Progress())
    board.expect({"lab.north.network": 39, "lab.north.access": 3})
    board.begun(Task("lab.north.network", "up", 39))
    board.ticked(Tick("lab.north.network", 39, 39, "network app"))
    board.ended("lab.north.network", True, 10.6)
    board.begun(Task("lab.north.access", "up", 3))
    board.ticked(Tick("lab.north.access", 3, 3, "port bastion"))
    board.ended("lab.north.access", True, 2.0)
    said = capsys.readouterr().err
    assert "lab.north.network: up done, 39 resources in 10.6 s; 39 of 42 in all, about 0 s to go\n" in said
    assert "lab.north.access: up done, 3 resources in 2.0 s\n" in said


def test_time_to_go_follows_the_pace_so_far() -> None:
    board = Board(Progress())
    assert board.remaining() is None
    board.begun(Task("a", "up", 10))
    assert board.remaining() is None
    time.sleep(0.1)
    board.ticked(Tick("a", 5, 10, "x"))
    assert 0.05 < time_to_go(board) < 1
    board.ticked(Tick("a", 10, 10, "x"))
    assert board.remaining() is None
