"""Where temporary files of a run lie: below a folder of its own, since a run that is killed removes nothing and the next one must."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

VARIABLE = "TMPDIR"
LONGEST = 75  # characters of a folder in which sockets have room: an address has 107 at most, and Python's own names take 32


@contextlib.contextmanager
def below(root: Path) -> Iterator[None]:
    """Temporary files of this process and of those that it starts lie in a folder below `root` while the block runs.

    The folder is named after the process, and those of processes that are gone are removed first. It stays when the block
    ends: what the process keeps until its own end may lie in it. With a `root` too long for sockets nothing is changed.
    """
    own = root / str(os.getpid())
    _sweep(root)
    if len(str(own)) > LONGEST:
        yield
        return
    own.mkdir(mode=0o700, parents=True, exist_ok=True)
    before, variable = tempfile.tempdir, os.environ.get(VARIABLE)
    tempfile.tempdir, os.environ[VARIABLE] = str(own), str(own)
    try:
        yield
    finally:
        tempfile.tempdir = before
        if variable is None:
            del os.environ[VARIABLE]
        else:
            os.environ[VARIABLE] = variable


def _sweep(root: Path) -> None:
    for folder in root.glob("*"):
        if not Path("/proc", folder.name).exists():
            shutil.rmtree(folder, ignore_errors=True)
