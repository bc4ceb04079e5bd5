"""The machine protocol of qemu-storage-daemon: JSON lines over a socket."""

from __future__ import annotations

import json
import socket
import time
from pathlib import Path
from types import TracebackType
from typing import Any

PAUSE = 0.2  # seconds between two looks at a job


class QmpError(Exception):
    """The daemon refused a command, or went away."""


class Qmp:
    """A session with one daemon; use as a context manager. timeout in seconds for each answer."""

    def __init__(self, path: Path, timeout: float = 60) -> None:
        self._line = socket.socket(socket.AF_UNIX)
        self._line.settimeout(timeout)
        try:
            self._line.connect(str(path))
        except OSError as problem:
            self._line.close()
            raise QmpError(f"{path}: {problem}") from problem
        self._file = self._line.makefile("rw")

    def __enter__(self) -> Qmp:
        self._next()  # greeting
        self.ask("qmp_capabilities")
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._file.close()
        self._line.close()

    def ask(self, command: str, **arguments: Any) -> Any:
        """Send one command and return its result. Raises QmpError with the daemon's words."""
        try:
            self._file.write(json.dumps({"execute": command, "arguments": arguments}) + "\n")
            self._file.flush()
        except OSError as problem:
            raise QmpError(f"{command}: {problem}") from problem
        while True:
            reply = self._next()
            if "error" in reply:
                raise QmpError(f"{command}: {reply['error'].get('desc')}")
            if "return" in reply:
                return reply["return"]

    def await_job(self, job: str) -> None:
        """Wait until a block job has ended, however long it takes, and clear it. Raises QmpError when it failed.

        It is asked for: between two events more time may pass than an answer has.
        """
        completed = False
        while True:
            entry = next((entry for entry in self.ask("query-jobs") if entry["id"] == job), None)
            if entry is None:
                raise QmpError(f"{job}: the storage daemon does not know the job any more")
            if entry["status"] == "concluded":
                break
            if entry["status"] == "ready" and not completed:
                self.ask("job-complete", id=job)
                completed = True
            time.sleep(PAUSE)
        self.ask("job-dismiss", id=job)
        if entry.get("error"):
            raise QmpError(f"{job}: {entry['error']}")

    def _next(self) -> dict[str, Any]:
        try:
            line = self._file.readline()
        except OSError as problem:
            raise QmpError(str(problem)) from problem
        if not line:
            raise QmpError("the storage daemon closed the line")
        message: dict[str, Any] = json.loads(line)
        return message
