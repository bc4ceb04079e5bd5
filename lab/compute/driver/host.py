"""What the machine that runs the instances has to give."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from .state import Instance

MEMINFO = Path("/proc/meminfo")
MOUNTS = Path("/proc/self/mountinfo")


@dataclass(frozen=True)
class Totals:
    """Memory in MiB, disk in GB; free_gb: what is left of the disk now."""

    vcpus: int
    memory_mb: int
    local_gb: int
    free_gb: int


@dataclass(frozen=True)
class Used:
    """What the instances were promised; memory in MiB, disk in GB."""

    vcpus: int
    memory_mb: int
    local_gb: int


def totals(disk: Path, meminfo: Path = MEMINFO) -> Totals:
    """disk: any path on the file system that holds the instances."""
    match = re.search(r"^MemTotal:\s+(\d+) kB", meminfo.read_text(), re.MULTILINE)
    if not match:
        raise ValueError(f"{meminfo} does not tell the memory")
    space = os.statvfs(disk)
    return Totals(
        vcpus=len(os.sched_getaffinity(0)),
        memory_mb=int(match[1]) // 1024,
        local_gb=space.f_blocks * space.f_frsize >> 30,
        free_gb=space.f_bavail * space.f_frsize >> 30,
    )


def used(instances: Iterable[Instance]) -> Used:
    every = list(instances)
    return Used(sum(i.vcpus for i in every), sum(i.memory_mb for i in every), sum(i.root_gb for i in every))


def is_mounted(path: Path, mounts: Path = MOUNTS) -> bool:
    """Whether something is mounted at exactly `path`; os.path.ismount does not see a bind mount within one file system."""
    return any(line.split()[4] == str(path) for line in mounts.read_text().splitlines())
