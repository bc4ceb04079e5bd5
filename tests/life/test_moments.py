"""`lz lab up` killed at moments that nobody chose: the same command goes on from there, and `down` leaves nothing."""

from __future__ import annotations

import os
import random
import signal
import subprocess

import pytest

from lab import census
from tests.support.command import LZ, lz

pytestmark = [pytest.mark.lab, pytest.mark.long, pytest.mark.timeout(3600)]
UP = ("lab", "up", "--region", "north")
KILLS = 8
SEED = int(os.environ.get("LZ_TEST_SEED", "20261128"))


def _killed_after(seconds: float) -> bool:
    """Start `lz lab up` and kill it with all that it started; False when it ended by itself before that."""
    process = subprocess.Popen([LZ, *UP], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
    try:
        process.wait(timeout=seconds)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        return True
    return False


def test_up_goes_on_after_kills_at_any_moment() -> None:
    """Most kills meet what an earlier one left; a run that came to its end before its kill makes room for a new one."""
    assert lz("lab", "down").returncode == 0
    empty = census.take()
    moments = random.Random(SEED)
    waits = [round(moments.uniform(0.5, 50), 1) for _ in range(KILLS)]
    killed = 0
    for seconds in waits:
        if _killed_after(seconds):
            killed += 1
        else:
            assert lz("lab", "down").returncode == 0
    assert killed > KILLS / 2, f"too few of the kills after {waits} s met a run"
    done = lz(*UP)
    assert done.returncode == 0, f"after kills after {waits} s (LZ_TEST_SEED={SEED}):\n{done.stderr[-3000:]}"
    assert lz("lab", "doctor").returncode == 0
    assert lz("lab", "down").returncode == 0
    assert empty.differences(census.take()) == []
