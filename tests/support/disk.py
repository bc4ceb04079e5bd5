"""A disk without room: as a limit on how long files of this process may get, and as a small one."""

from __future__ import annotations

import contextlib
import resource
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path


@contextlib.contextmanager
def short_of_room(left: int) -> Iterator[None]:
    """While the block runs, no file takes more than `left` bytes: what is longer is written up to there, and then an OSError comes."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (left, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@contextlib.contextmanager
def small(folder: Path, size: int) -> Iterator[Callable[[int], None]]:
    """A disk of its own for an empty folder, in memory; yields what gives it another size. All sizes are bytes."""
    subprocess.run(["mount", "--types=tmpfs", f"--options=size={size},mode=0700", "lz-test", folder], check=True)
    try:
        yield lambda other: _resize(folder, other)
    finally:
        subprocess.run(["umount", folder], check=True)


def _resize(folder: Path, size: int) -> None:
    subprocess.run(["mount", f"--options=remount,size={size}", folder], check=True)
