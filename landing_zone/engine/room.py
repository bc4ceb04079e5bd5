"""Room on the disk for states. Where there is none left, the engine cuts off the state that it writes, and then what it was before, too."""

from __future__ import annotations

import contextlib
import shutil
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

from foundation.errors import DISK_FULL, Problem

LEAST = 128 << 20  # bytes that must be free when an operation begins
LOW = 64 << 20  # bytes; with less it takes no further step, and what is left is for the states of those that are under way
PAUSE = 0.1  # seconds between two looks
CURE = "free some, and run the same command again: it goes on where it stopped"


def shortage(folder: Path) -> Problem | None:
    """What is wrong when the disk of a folder has not the room that an operation must have at its beginning."""
    return None if _free(folder) >= LEAST else lack(folder, LEAST)


def lack(folder: Path, needed: int) -> Problem:
    """The problem of a disk that has less than `needed` bytes free."""
    return Problem(DISK_FULL, str(folder), f"{_free(folder) >> 20} MiB are free, {needed >> 20} must be", CURE)


@contextlib.contextmanager
def watched(folder: Path, stop: Callable[[], int]) -> Iterator[threading.Event]:
    """Call `stop` when the disk of a folder gets low while the block runs, until it has stopped something; the event is set then."""
    low, over = threading.Event(), threading.Event()

    def watch() -> None:
        while not over.wait(PAUSE):
            if _free(folder) < LOW:
                low.set()
                if stop():
                    return

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield low
    finally:
        over.set()
        watcher.join()


def _free(folder: Path) -> int:
    return shutil.disk_usage(folder).free
