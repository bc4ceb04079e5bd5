"""Shared by every benchmark: medians of several runs, and tables of them."""

from __future__ import annotations

import os
import platform
import statistics
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from lab.requirements import memory_gib

EVERY = 0.5  # seconds between two looks at the memory of a command or of the machine
PAUSES = 30  # times as long as a look is the pause after it, so that looking is no part of what is measured


@dataclass(frozen=True)
class Cost:
    """What a command took: wall time, and the most memory that all its processes had together (proportional share)."""

    seconds: float
    peak_mib: float


@contextmanager
def watched(look: Callable[[], float]) -> Iterator[list[float]]:
    """Take a figure over and over while the block runs, first at its beginning; yields the list that they go into."""
    over, seen = threading.Event(), [look()]

    def watch() -> None:
        pause = EVERY
        while not over.wait(pause):
            began = time.monotonic()
            seen.append(look())
            pause = max(EVERY, PAUSES * (time.monotonic() - began))

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield seen
    finally:
        over.set()
        watcher.join()


def cost(words: Sequence[str]) -> Cost:
    """Run a command in a session of its own to its end; CalledProcessError when it fails."""
    began = time.monotonic()
    process = subprocess.Popen(words, stdout=subprocess.DEVNULL, start_new_session=True)
    with watched(lambda: session_mib(process.pid)) as mib:
        status = process.wait()
        took = time.monotonic() - began
    if status:
        raise subprocess.CalledProcessError(status, list(words))
    return Cost(took, max(mib))


def session_mib(leader: int) -> float:
    """The memory of all processes of a session, shared pages divided among those that share them."""
    total = 0
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError, ValueError):
            if os.getsid(int(process.name)) == leader:
                lines = (process / "smaps_rollup").read_text().splitlines()
                total += next((int(line.split()[1]) for line in lines if line.startswith("Pss:")), 0)
    return total / 1024


def seconds(work: Callable[[], object]) -> float:
    """Wall time of one call."""
    began = time.monotonic()
    work()
    return time.monotonic() - began


def machine() -> str:
    """One line about this machine: cores, memory, kernel, load when asked."""
    return f"{os.cpu_count()} cores, {memory_gib():.0f} GiB, Linux {platform.release()}, load {os.getloadavg()[0]:.1f} before the first run"


def table(columns: Sequence[str], figures: Mapping[str, Sequence[float]], unit: str) -> str:
    """A Markdown table: a row per figure with its median, least and most."""
    lines = [f"| {columns[0]} | median {unit} | least | most | runs |", "| --- | ---: | ---: | ---: | ---: |"]
    for name, runs in figures.items():
        lines.append(f"| {name} | {statistics.median(runs):.1f} | {min(runs):.1f} | {max(runs):.1f} | {len(runs)} |")
    return "\n".join(lines)
