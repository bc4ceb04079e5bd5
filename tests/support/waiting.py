"""Waiting for what takes a moment."""

from __future__ import annotations

import time
from collections.abc import Callable


def until(true: Callable[[], object], seconds: float = 20, pause: float = 0.1) -> None:
    """Ask until the answer is a true one; the test fails when there is none within so many seconds."""
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, f"not within {seconds:.0f} s"
        time.sleep(pause)
