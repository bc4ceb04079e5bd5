"""The management console of a running User Mode Linux kernel: one datagram with a command, one or more with the answer.

As a program (SOCKET [PID]) it shuts a guest down and waits for its end: that is how systemd stops an instance.
"""

from __future__ import annotations

import contextlib
import socket
import struct
import sys
import time
from pathlib import Path

_MAGIC = 0xCAFEBABE
_VERSION = 2
_DATA = 512
_REQUEST = struct.Struct(f"=III{_DATA}s")
_REPLY = struct.Struct("=III")


class ConsoleError(Exception):
    """The kernel refused the command; the text is its own."""


class ConsoleUnreachable(ConsoleError):
    """Nobody listens, or no answer came in time."""


def ask(path: Path, command: str, timeout: float = 20) -> str:
    """Send `command` to the kernel that listens at `path` and return its answer; timeout in seconds for the whole of it."""
    data = command.encode()
    if len(data) >= _DATA:
        raise ConsoleError(f"the command is longer than {_DATA - 1} bytes: {command[:60]}...")
    deadline = time.monotonic() + timeout
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as line:
        line.bind("")  # a name of the kernel's choice, to which the answer comes
        try:
            line.settimeout(timeout)
            line.sendto(_REQUEST.pack(_MAGIC, _VERSION, len(data), data), str(path))
            return _answer(line, path, command, deadline)
        except TimeoutError:
            raise ConsoleUnreachable(f"no answer to {command!r} within {timeout:.0f} s") from None
        except OSError as problem:
            raise ConsoleUnreachable(f"{path}: {problem.strerror}") from problem


def _answer(line: socket.socket, path: Path, command: str, deadline: float) -> str:
    text, failed = "", False
    while True:
        line.settimeout(max(0.001, deadline - time.monotonic()))
        packet, sender = line.recvfrom(_REPLY.size + _DATA)
        if sender != str(path) or len(packet) < _REPLY.size:
            continue
        error, more, length = _REPLY.unpack(packet[: _REPLY.size])
        text += packet[_REPLY.size : _REPLY.size + length].rstrip(b"\0").decode(errors="replace")
        failed = failed or bool(error)
        if not more:
            break
    if failed:
        raise ConsoleError(f"{command.split('=', maxsplit=1)[0]}: {text.strip() or 'refused'}")
    return text.strip()


def shut_down(path: Path, pid: int, patience: float = 2) -> None:
    """Press Ctrl-Alt-Del and wait until process `pid` has gone; what starts the guest anew is told by systemd not to.

    A kernel that does not listen (yet, or any more) is asked again every `patience` seconds.
    """
    while _alive(pid):
        with contextlib.suppress(ConsoleError):
            ask(path, "cad", patience)
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
