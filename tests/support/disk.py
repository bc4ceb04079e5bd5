"""A disk without room, as a limit on how long files of this process may get."""

from __future__ import annotations

import contextlib
import resource
from collections.abc import Iterator


@contextlib.contextmanager
def short_of_room(left: int) -> Iterator[None]:
    """While the block runs, no file takes more than `left` bytes: what is longer is written up to there, and then an OSError comes."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (left, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
