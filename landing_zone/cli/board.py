"""How the stacks come along: a live table on a terminal, one line an event elsewhere."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field

from rich.table import Table
from rich.text import Text

from foundation.progress import Progress, Screen
from landing_zone.engine.events import Task, Tick

AT_WORK = "at work"


@dataclass
class _Row:
    operation: str
    total: int
    done: int = 0
    current: str = ""
    state: str = AT_WORK
    began: float = field(default_factory=time.monotonic)
    seconds: float = 0.0


@dataclass
class Board:
    """Hears from the engine (it is a `Listener`) and tells a person. Safe to use from several threads."""

    progress: Progress
    _rows: dict[str, _Row] = field(default_factory=dict)
    _waiting: dict[str, int] = field(default_factory=dict)
    _screen: Screen = field(default_factory=Screen)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def say(self, text: str) -> None:
        """One line for a person."""
        self.progress.say(text)

    def showing(self) -> AbstractContextManager[None]:
        """Show the table while the block runs, when there is a terminal to show it on."""
        return self._screen.showing(self._table)

    def expect(self, totals: Mapping[str, int]) -> None:
        """Which operations are to come: cloud resources by stack. As long as one has not begun, all of them are left."""
        with self._lock:
            self._waiting = dict(totals)

    def begun(self, task: Task) -> None:
        """An operation has begun."""
        with self._lock:
            self._waiting.pop(task.stack, None)
            self._rows[task.stack] = _Row(task.operation, task.total)
        if not self._screen.on:
            self.say(f"{task.stack}: {task.operation} ...")

    def ticked(self, tick: Tick) -> None:
        """One more resource is done."""
        with self._lock:
            row = self._rows[tick.stack]
            row.done, row.current = tick.done, tick.current

    def ended(self, stack: str, good: bool, seconds: float) -> None:
        """An operation has ended."""
        with self._lock:
            row = self._rows[stack]
            row.state, row.seconds = ("done" if good else "FAILED"), seconds
            text = f"{stack}: {row.operation} {row.state}, {row.done} resources in {seconds:.1f} s"
            done, left = self._counts()
        remaining = self.remaining()
        if remaining is not None:
            text += f"; {done} of {done + left} in all, about {remaining:.0f} s to go"
        if not self._screen.on or not good:
            self.progress.say(text, style="" if good else "red")

    def remaining(self) -> float | None:
        """Seconds that the work under way, and what was told to come, will take yet, by the pace so far; None when nothing tells."""
        with self._lock:
            done, left = self._counts()
            began = min((row.began for row in self._rows.values() if row.total), default=0.0)
        if not done or left <= 0:
            return None
        return (time.monotonic() - began) / done * left

    def _counts(self) -> tuple[int, int]:
        """Cloud resources that are done, and that are left; what a stack lacked that has ended is not made any more."""
        rows = [row for row in self._rows.values() if row.total]
        left = sum(row.total - row.done for row in rows if row.state == AT_WORK)
        return sum(row.done for row in rows), left + sum(self._waiting.values())

    def _table(self) -> Table:
        table = Table(box=None, pad_edge=False, show_header=False)
        with self._lock:
            rows = dict(self._rows)
        for stack, row in rows.items():
            seconds = row.seconds or time.monotonic() - row.began
            count = f"{row.done}/{row.total}" if row.total else str(row.done)
            table.add_row(stack, row.operation, count, f"{seconds:.0f} s", Text(row.current if row.state == AT_WORK else row.state))
        left = self.remaining()
        if left is not None:
            table.add_row("", "", "", "", f"about {left:.0f} s to go")
        return table
