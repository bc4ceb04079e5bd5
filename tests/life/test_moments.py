"""`lz lab up` killed at moments that nobody chose, and while layers are made: the same command goes on, `down` leaves nothing."""

from __future__ import annotations

import os
import random
import time

import pytest

from lab import trees
from lab.census import Census
from lab.settings import places
from tests.support.command import kill, killed_after, lz, read_until, start
from tests.support.host import look

pytestmark = [pytest.mark.lab, pytest.mark.long, pytest.mark.timeout(3600)]
UP = ("lab", "up", "--region", "north")
KILLS = 8
SEED = int(os.environ.get("LZ_TEST_SEED", "20261128"))


def test_up_goes_on_after_kills_at_any_moment() -> None:
    """Most kills meet what an earlier one left; a run that came to its end before its kill makes room for a new one."""
    assert lz("lab", "down").returncode == 0
    empty = look()
    moments = random.Random(SEED)
    waits = [round(moments.uniform(0.5, 50), 1) for _ in range(KILLS)]
    killed = 0
    for seconds in waits:
        if killed_after(start(*UP), seconds):
            killed += 1
        else:
            assert lz("lab", "down").returncode == 0
    assert killed > KILLS / 2, f"too few of the kills after {waits} s met a run"
    _comes_up_and_goes(empty, f"after kills after {waits} s (LZ_TEST_SEED={SEED})")


def test_up_goes_on_after_kills_while_it_makes_its_layers() -> None:
    """No half of a base tree or of a seed is taken for a whole one, and whoever worked on it is gone or does no harm."""
    assert lz("lab", "down", "--layers").returncode == 0
    empty = look()
    base, seed = places().base(trees.base_digest()), places().seed(trees.seed_digest())
    for step, seconds, layers in (("base tree", 10, (False, False)), ("seed", 5, (True, False))):
        process = start(*UP)
        read_until(process, f"{step}: ")
        time.sleep(seconds)
        said = kill(process)
        assert f"{step}: " not in said, f"the step had ended before the kill:\n{said}"
        assert (base.exists(), seed.exists()) == layers
    _comes_up_and_goes(empty, "after kills in the base tree and in the seed")


def _comes_up_and_goes(empty: Census, when: str) -> None:
    done = lz(*UP)
    assert done.returncode == 0, f"{when}:\n{done.stderr[-3000:]}"
    assert lz("lab", "doctor").returncode == 0
    assert lz("lab", "down").returncode == 0
    assert empty.differences(look()) == []
