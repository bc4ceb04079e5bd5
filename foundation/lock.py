"""One run at a time: an advisory lock that the kernel drops when its holder dies."""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from foundation import stopping
from foundation.errors import BusyError, Problem


@contextlib.contextmanager
def exclusive(path: Path, what: str, wait: float = 0, say: Callable[[str], object] | None = None) -> Iterator[None]:
    """Hold `path` for the block. Raises BusyError, naming the holder, when another still holds it after `wait` seconds.

    say: is told once, in a sentence, that another is waited for.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    deadline = time.monotonic() + wait
    with path.open("a+") as stream:
        while not _try(stream.fileno()):
            stream.seek(0)
            holder = stream.read().strip() or "an unknown process"
            if time.monotonic() < deadline:
                if say:
                    say(f"{what} is already under way ({holder}): its end is waited for")
                    say = None
                stopping.pause(0.2)
                continue
            raise BusyError(
                Problem(
                    f"{what} is already under way",
                    where=str(path),
                    why=f"held by {holder}",
                    cure="wait for it to end, or stop that process by its number; the lock goes with it",
                )
            ) from None
        stream.seek(0)
        stream.truncate()
        stream.write(f"process {os.getpid()}\n")
        stream.flush()
        os.set_inheritable(stream.fileno(), False)
        yield


def _try(fd: int) -> bool:
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
