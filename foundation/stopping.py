"""Ctrl-C, or a failure, heard by every thread: Python tells the main one alone, and waits for the others before it ends."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator

_told = threading.Event()  # for good: a run that was told to stop ends


def pause(seconds: float) -> None:
    """Sleep. Raises KeyboardInterrupt as soon as the run was told to stop; with 0 seconds if it was told already."""
    if _told.wait(seconds):
        raise KeyboardInterrupt


def stop() -> None:
    """Tell every thread to stop at its next `pause`: the run has failed, and what they do is of no use to it."""
    _told.set()


@contextlib.contextmanager
def heard_by_all(say: Callable[[str], object]) -> Iterator[None]:
    """When Ctrl-C ends the block, no thread goes on with a `pause`. say: is told, in a sentence, that the others' end is waited for."""
    try:
        yield
    except KeyboardInterrupt:
        if not _told.is_set():
            say("stopping: what cannot be left half done is brought to its end")
        stop()
        raise
