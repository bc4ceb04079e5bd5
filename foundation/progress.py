"""Tell a person how far long work has come: on a terminal what is under way, live; one plain line an event elsewhere."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

console = Console(stderr=True, highlight=False, emoji=False, soft_wrap=True)
BEAT = 20.0  # seconds from one word about a long step to the next


@dataclass
class Screen:
    """Room for a table below all lines, where there is a terminal. on: whether one is shown now."""

    on: bool = False

    @contextlib.contextmanager
    def showing(self, drawn: Callable[[], Table]) -> Iterator[None]:
        """Keep the table that `drawn` gives below all lines while the block runs, when there is a terminal to show it on."""
        if not console.is_interactive:
            yield
            return
        with Live(console=console, refresh_per_second=4, get_renderable=drawn, transient=True):
            self.on = True
            try:
                yield
            finally:
                self.on = False


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
    _under_way: list[tuple[str, float]] = field(default_factory=list)
    _screen: Screen = field(default_factory=Screen)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def showing(self) -> contextlib.AbstractContextManager[None]:
        """Show the steps that are under way while the block runs, when there is a terminal to show them on."""
        return self._screen.showing(self._table)

    def say(self, text: str, style: str = "") -> None:
        """Print one line behind the seconds since the start."""
        # Whole at once: what is shown live would come between two parts of a line.
        console.print(Text.assemble((f"{time.monotonic() - self.started:6.1f}s ", "dim"), (text, style)))

    @contextlib.contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Announce a step, time it, and say how it ended."""
        began = time.monotonic()
        with self._lock:
            self._under_way.append((name, began))
        if not self._screen.on:
            self.say(f"{name} ...")
        try:
            yield
        except BaseException:
            self.say(f"{name}: failed after {time.monotonic() - began:.1f} s", style="red")
            raise
        finally:
            with self._lock:
                self._under_way.remove((name, began))
        took = time.monotonic() - began
        with self._lock:
            self.timings.append(Timing(name, took))
        self.say(f"{name}: done in {took:.1f} s", style="green")

    @contextlib.contextmanager
    def beating(self, told: Callable[[], str], every: float = BEAT) -> Iterator[None]:
        """Say what `told` gives every so many seconds while the block runs: how far a step of minutes has come."""
        done = threading.Event()

        def beat() -> None:
            while not done.wait(every):
                self.say(f"  {told()}")

        thread = threading.Thread(target=beat, daemon=True)
        thread.start()
        try:
            yield
        finally:
            done.set()
            thread.join()

    def _table(self) -> Table:
        table = Table(box=None, pad_edge=False, show_header=False)
        with self._lock:
            under_way = list(self._under_way)
        for name, began in under_way:
            table.add_row(Text(name), f"{time.monotonic() - began:.0f} s")
        return table
