"""Ends whatever an operation has started, once the process that carries it out is gone, however it was killed.

The engine ends when nobody reads what it says any more. Its plugins do not notice: they look after it every five minutes, and
go on with their calls to the cloud until then, while the next run already looks for what is half made. No signal reaches them
all, since they are in process groups of their own. So what works for an operation has a mark in its environment, and a process
in a session of its own waits for the end and kills what has that mark.

That process runs this file by its path: it needs nothing but the standard library, and starts in hundredths of a second.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

MARK = "LZ_OPERATION"
ENDED = b"ended"
LINGER = 2.0  # seconds after a kill in which something may still be about to start


@contextlib.contextmanager
def swept() -> Iterator[dict[str, str]]:
    """Gives the variable for the environment of what is started in the block; nothing of it outlives the block, or this process."""
    mark = secrets.token_hex(16)
    with subprocess.Popen(
        [sys.executable, "-I", "-S", __file__, mark],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    ) as watch:
        try:
            yield {MARK: mark}
        finally:
            watch.communicate(ENDED)


def marked(mark: str) -> list[int]:
    """The processes of this machine that have a mark."""
    wanted = f"{MARK}={mark}".encode()
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):  # it has ended, or is another user's
            if wanted in (process / "environ").read_bytes().split(b"\0"):
                found.append(int(process.name))
    return found


def main(mark: str) -> None:
    """Wait until the other end of standard input is closed, and end what has the mark."""
    said = sys.stdin.buffer.read()
    deadline = time.monotonic() + (0.0 if said == ENDED else LINGER)
    while (left := marked(mark)) or time.monotonic() < deadline:
        for process in left:
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
        time.sleep(0.05)


if __name__ == "__main__":
    main(sys.argv[1])
