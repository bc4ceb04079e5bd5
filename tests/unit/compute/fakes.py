"""Stand-ins for what the driver's parts talk to: programs, the kernel's management socket, a storage daemon."""

from __future__ import annotations

import contextlib
import json
import socket
import struct
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any


class Programs:
    """Remembers every command; answers by the first matching rule, else with nothing."""

    def __init__(self) -> None:
        self.ran: list[list[str]] = []
        self._rules: list[tuple[tuple[str, ...], str | Callable[[list[str]], str]]] = []

    def answer(self, *beginning: str, by: str | Callable[[list[str]], str]) -> None:
        self._rules.insert(0, (beginning, by))

    def __call__(self, *words: object, ok: Sequence[int] = (0,)) -> str:
        command = [str(word) for word in words]
        self.ran.append(command)
        for beginning, by in self._rules:
            if tuple(command[: len(beginning)]) == beginning:
                return by if isinstance(by, str) else by(command)
        return ""

    def of(self, *beginning: str) -> list[list[str]]:
        return [command for command in self.ran if tuple(command[: len(beginning)]) == beginning]


class KernelSocket:
    """Listens like a kernel's management console; `replies` gives (error, text) parts for each command."""

    def __init__(self, path: Path, replies: Callable[[str], list[tuple[bool, str]]]) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.heard: list[str] = []
        self._replies = replies
        self._line = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._line.bind(str(path))
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        while True:
            packet, sender = self._line.recvfrom(4096)
            magic, version, length = struct.unpack("=III", packet[:12])
            if magic == 0:
                return
            assert (magic, version) == (0xCAFEBABE, 2)
            command = packet[12 : 12 + length].decode()
            self.heard.append(command)
            parts = self._replies(command)
            with contextlib.suppress(ConnectionError):  # who asked has gone
                for number, (error, text) in enumerate(parts):
                    data = text.encode() + b"\0"
                    more = number < len(parts) - 1
                    self._line.sendto(struct.pack("=III", error, more, len(data)) + data, sender)

    def close(self) -> None:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as line:
            line.sendto(bytes(12), self._line.getsockname())
        self._thread.join(5)
        self._line.close()


class StorageDaemon:
    """Speaks qemu's machine protocol on a socket.

    answers: command -> result, an error text in an Exception, or an iterator of results, one for each call.
    """

    def __init__(self, path: Path, answers: dict[str, Any]) -> None:
        self.asked: list[tuple[str, dict[str, Any]]] = []
        self.answers = answers
        self._line = socket.socket(socket.AF_UNIX)
        self._line.bind(str(path))
        self._line.listen(1)
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        while True:
            try:
                session, _ = self._line.accept()
            except OSError:
                return
            with session, session.makefile("rw") as file:
                file.write('{"QMP": {}}\n')
                file.flush()
                for text in file:
                    self._reply(json.loads(text), file)

    def _reply(self, request: dict[str, Any], file: Any) -> None:
        name = request["execute"]
        self.asked.append((name, request.get("arguments", {})))
        result = self.answers.get(name, {})
        if isinstance(result, Iterator):
            result = next(result)
        message = {"error": {"desc": str(result)}} if isinstance(result, Exception) else {"return": result}
        file.write('{"event": "SOMETHING_ELSE", "data": {}}\n')
        file.write(json.dumps(message) + "\n")
        file.flush()

    def close(self) -> None:
        # A thread that still waits on a closed number would take the next socket's connections.
        self._line.shutdown(socket.SHUT_RDWR)
        self._thread.join(5)
        self._line.close()
