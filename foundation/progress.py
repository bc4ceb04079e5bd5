"""Tell a person how far long work has come: live on a terminal, one plain line per event elsewhere."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

from rich.console import Console

console = Console(stderr=True, highlight=False, soft_wrap=True)


@dataclass
class Timing:
    """One finished step: its name and how many seconds it took."""

    name: str
    seconds: float


@dataclass
class Progress:
    """Steps of one run; safe to use from several threads. `timings` has every finished step in order of its end."""

    started: float = field(default_factory=time.monotonic)
    timings: list[Timing] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def say(self, text: str, style: str = "") -> None:
        """Print one line behind the seconds since the start."""
        with self._lock:
            console.print(f"[dim]{time.monotonic() - self.started:6.1f}s[/dim] ", end="")
            console.print(text, style=style or None, markup=False)

    @contextlib.contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Announce a step, time it, and say how it ended."""
        began = time.monotonic()
        self.say(f"{name} ...")
        try:
            yield
        except BaseException:
            self.say(f"{name}: failed after {time.monotonic() - began:.1f} s", style="red")
            raise
        took = time.monotonic() - began
        with self._lock:
            self.timings.append(Timing(name, took))
        self.say(f"{name}: done in {took:.1f} s", style="green")
