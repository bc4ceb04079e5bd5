"""Shared by every benchmark: medians of several runs, and tables of them."""

from __future__ import annotations

import os
import platform
import statistics
import time
from collections.abc import Callable, Mapping, Sequence

from lab.requirements import memory_gib


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
