"""Watches the process list for secrets while something runs: arguments and environment of every process of this machine."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType


class Watcher:
    """A context: samples until its block ends. `found`: which secret, by its first letters, in which file of /proc."""

    def __init__(self, secrets: Iterable[str]) -> None:
        self.found: list[str] = []
        self._secrets = [secret.encode() for secret in secrets]
        self._names: set[str] = set()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch)

    def __enter__(self) -> Watcher:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._over.set()
        self._thread.join()

    def seen(self, name: str) -> bool:
        """Whether a process of that name was among those that were looked at."""
        return name in self._names

    def _watch(self) -> None:
        while not self._over.wait(0.05):
            for process in Path("/proc").glob("[0-9]*"):
                for file in ("cmdline", "environ"):
                    self._look(process / file)

    def _look(self, file: Path) -> None:
        try:
            content = file.read_bytes()
            self._names.add((file.parent / "comm").read_text().strip())
        except OSError:  # it has ended
            return
        self.found += [f"{secret[:6].decode()}... in {file}" for secret in self._secrets if secret in content]
