"""Where things lie on this machine: the checkout, and the cache outside it."""

from __future__ import annotations

import os
import re
from pathlib import Path

from foundation.errors import InputError, Problem

CHECKOUT = Path(__file__).resolve().parent.parent


def cache_root() -> Path:
    """The one folder that outlives a checkout: $LZ_CACHE, else /var/cache/landing-zone for root, else ~/.cache/landing-zone.

    Without links in it, as the kernel names it in its list of mounts. Raises InputError for a name that cannot stand there.
    """
    root = _wanted().resolve()
    if re.search(r"[\s:,\\]", str(root)):
        raise InputError(
            Problem(
                "the cache's folder has a space, colon, comma or backslash in its name",
                where=repr(str(root)),
                why="options of mounts and hooks of programs take that for the end of the name",
                cure="name another folder in $LZ_CACHE",
            )
        )
    return root


def _wanted() -> Path:
    named = os.environ.get("LZ_CACHE")
    if named:
        return Path(named)
    if os.geteuid() == 0:
        return Path("/var/cache/landing-zone")
    return Path.home() / ".cache" / "landing-zone"


def cache(*parts: str) -> Path:
    """A folder below the cache root, made if missing."""
    path = cache_root().joinpath(*parts)
    path.mkdir(parents=True, exist_ok=True)
    return path
