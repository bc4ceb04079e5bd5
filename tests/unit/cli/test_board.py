"""How work is shown where there is no terminal: a line when it begins and one when it ends, and how long it will take yet."""

from __future__ import annotations

import time

import pytest

from foundation.progress import Progress
from landing_zone.cli.board import Board
from landing_zone.engine.events import Task, Tick


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


def test_time_to_go_follows_the_pace_so_far() -> None:
    board = Board(Progress())
    assert board.remaining() is None
    board.begun(Task("a", "up", 10))
    assert board.remaining() is None
    time.sleep(0.1)
    board.ticked(Tick("a", 5, 10, "x"))
    left = board.remaining()
    assert left is not None
    assert 0.05 < left < 1
    board.ticked(Tick("a", 10, 10, "x"))
    assert board.remaining() is None
