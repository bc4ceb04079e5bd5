"""A disk that has no room for the engine's state: nothing is begun there, and what is under way ends with a state that is whole."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pulumi
import pytest

from foundation.errors import DISK_FULL
from landing_zone.engine import room
from landing_zone.engine.home import Home
from landing_zone.engine.stack import StackKey, Stacks
from landing_zone.engine.stores.folder import Folder
from tests.support import disk

KEY = StackKey("unit", "north", "network")
PARTS = 12
MIB = 1 << 20
Resize = Callable[[int], None]


@pytest.fixture
def resize(tmp_path: Path) -> Iterator[Resize]:
    """The folder of the test on a disk of its own, with twice the room that is needed."""
    with disk.small(tmp_path, 2 * room.LEAST) as change:
        yield change


@pytest.fixture
def stacks(tmp_path: Path, resize: Resize) -> Stacks:
    root = tmp_path / "home"
    root.mkdir(mode=0o700)
    home = Home(root)
    return Stacks(home, Folder(home.backend))


def parts(half_way: Callable[[], None] = lambda: None) -> None:
    for number in range(PARTS):
        if number == PARTS // 2:
            half_way()
        pulumi.ComponentResource("lz:test:Part", f"part-{number}").register_outputs({"text": "x" * 30_000})


def test_nothing_is_begun_where_there_is_no_room(stacks: Stacks, resize: Resize) -> None:
    resize(room.LEAST - MIB)
    refused = stacks.up(KEY, parts)
    assert [problem.what for problem in refused.problems] == [DISK_FULL]
    assert not refused.passing
    assert stacks.standing() == frozenset()
    resize(2 * room.LEAST)
    assert stacks.up(KEY, parts).good


def test_what_is_under_way_ends_with_a_whole_state_when_the_room_goes(stacks: Stacks, tmp_path: Path) -> None:
    """It goes while the program runs, with half of its parts made; when there is room again, the same command makes the rest."""
    filler = tmp_path / "filler"

    def fill() -> None:
        filler.write_bytes(b"x" * (2 * room.LEAST - room.LOW // 2))
        time.sleep(3)

    stopped = stacks.up(KEY, lambda: parts(fill))
    assert stopped.problems[0].what == DISK_FULL
    assert stopped.problems[0].where == str(stacks.home.root)
    made = stacks.resources(KEY)
    assert len(made) < PARTS
    filler.unlink()
    assert stacks.up(KEY, parts).good
    assert len(stacks.resources(KEY)) == PARTS + 1
