"""Ends whatever an operation has started, once the process that carries it out is gone, however it was killed.

The engine ends when nobody reads what it says any more. Its plugins do not notice: they look after it every five minutes, and
go on with their calls to the cloud until then, while the next run already looks for what is half made. No signal reaches them
all, since they are in process groups of their own. So what works for an operation has a mark in its environment, which no other
operation has, and a watcher in a session of its own waits for the end and kills what has that mark, and nothing else.

The watcher is this file, run by its path: it needs nothing but the standard library, and starts in hundredths of a second.
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
LINGER = 2.0  # seconds of looking after a kill, when something may still be about to start
PAUSE = 0.05  # seconds between two looks


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
    ) as watcher:
        try:
            yield {MARK: mark}
        finally:
            watcher.communicate(ENDED)


def watch(mark: str) -> None:
    """Wait until the other end of standard input is closed, by its owner or by his end, and kill what has the mark."""
    killed = sys.stdin.buffer.read() != ENDED
    deadline = time.monotonic() + (LINGER if killed else 0.0)
    while kill(mark) or time.monotonic() < deadline:
        time.sleep(PAUSE)


def kill(mark: str) -> int:
    """Kill the processes of this machine that have a mark; how many there were."""
    return _send(signal.SIGKILL, mark)


def interrupt(mark: str, program: str) -> int:
    """Interrupt those of the processes with a mark that run a program, by its name, as Ctrl-C would; how many there were."""
    return _send(signal.SIGINT, mark, program)


def _send(number: signal.Signals, mark: str, program: str = "") -> int:
    wanted = f"{MARK}={mark}".encode()
    found = 0
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError), _held(int(folder.name)) as process:  # it has ended, or is another user's
            if wanted not in (folder / "environ").read_bytes().split(b"\0"):
                continue
            if program in ("", (folder / "comm").read_text().strip()):
                signal.pidfd_send_signal(process, number)
                found += 1
    return found


@contextlib.contextmanager
def _held(pid: int) -> Iterator[int]:
    """A process as a file descriptor, by which no other one that gets its number later can be hit."""
    process = os.pidfd_open(pid)
    try:
        yield process
    finally:
        os.close(process)


if __name__ == "__main__":
    watch(sys.argv[1])
