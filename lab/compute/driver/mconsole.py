"""The management console of a running User Mode Linux kernel: one datagram with a command, one or more with the answer.

As a program (SOCKET [PID]) it shuts a guest down and waits for its end: that is how systemd stops an instance.
"""

from __future__ import annotations

import contextlib
import os
import socket
import stat
import struct
import sys
import time
from collections.abc import Iterator
from pathlib import Path

_MAGIC = 0xCAFEBABE
_VERSION = 2
_DATA = 512
_REQUEST = struct.Struct(f"=III{_DATA}s")
_REPLY = struct.Struct("=III")
_PACKETS = 1000  # of an answer, all that come meanwhile counted: a guest that was taken over may send without end


class ConsoleError(Exception):
    """The kernel refused the command; the text is its own."""


class ConsoleUnreachable(ConsoleError):
    """Nobody listens, or no answer came in time."""


def ask(path: Path, command: str, owner: int, timeout: float = 20) -> str:
    """Send `command` to the kernel that listens at `path` and return its answer; timeout in seconds for the whole of it.

    owner: number of the user whose kernel it is; another's socket, to which a link in the guest's folder may lead, hears nothing.
    """
    data = command.encode()
    if len(data) >= _DATA:
        raise ConsoleError(f"the command is longer than {_DATA - 1} bytes: {command[:60]}...")
    deadline = time.monotonic() + timeout
    with _opened(path, owner) as console, socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as line:
        line.bind("")  # a name of the kernel's choice, to which the answer comes
        try:
            line.settimeout(timeout)
            line.sendto(_REQUEST.pack(_MAGIC, _VERSION, len(data), data), f"/proc/self/fd/{console}")
            return _answer(line, path, command, deadline)
        except TimeoutError:
            raise ConsoleUnreachable(f"no answer to {command!r} within {timeout:.0f} s") from None
        except OSError as problem:
            raise ConsoleUnreachable(f"{path}: {problem.strerror}") from problem


@contextlib.contextmanager
def _opened(path: Path, owner: int) -> Iterator[int]:
    """A descriptor of the socket itself: whoever owns the folder can put another in its place after the check."""
    try:
        descriptor = os.open(path, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError as problem:
        raise ConsoleUnreachable(f"{path}: {problem.strerror}") from problem
    try:
        found = os.fstat(descriptor)
        if not stat.S_ISSOCK(found.st_mode) or found.st_uid != owner:
            raise ConsoleUnreachable(f"{path}: not a socket of user {owner}")
        yield descriptor
    finally:
        os.close(descriptor)


def _answer(line: socket.socket, path: Path, command: str, deadline: float) -> str:
    text, failed = "", False
    for _ in range(_PACKETS):
        line.settimeout(max(0.001, deadline - time.monotonic()))
        packet, sender = line.recvfrom(_REPLY.size + _DATA)
        if sender != str(path) or len(packet) < _REPLY.size:
            continue
        error, more, length = _REPLY.unpack(packet[: _REPLY.size])
        text += packet[_REPLY.size : _REPLY.size + length].rstrip(b"\0").decode(errors="replace")
        failed = failed or bool(error)
        if not more:
            break
    else:
        raise ConsoleUnreachable(f"no end of the answer to {command!r}")
    if failed:
        raise ConsoleError(f"{command.split('=', maxsplit=1)[0]}: {text.strip() or 'refused'}")
    return text.strip()


def shut_down(path: Path, pid: int, patience: float = 2) -> None:
    """Press Ctrl-Alt-Del and wait until process `pid` has gone; what starts the guest anew is told by systemd not to.

    It is done as the guest's own user. A kernel that does not listen (yet, or any more) is asked again every `patience` seconds.
    """
    while _alive(pid):
        with contextlib.suppress(ConsoleError):
            ask(path, "cad", os.geteuid(), patience)
            break
        time.sleep(0.1)
    while _alive(pid):
        time.sleep(0.1)


def _alive(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists()


if __name__ == "__main__":
    # Without a process number the guest has ended by itself: systemd runs the stop command then, too.
    if len(sys.argv) > 2:
        shut_down(Path(sys.argv[1]), int(sys.argv[2]))
