"""Where things lie on this machine: the checkout, and the cache outside it."""

from __future__ import annotations

import os
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parent.parent


def cache_root() -> Path:
    """The one folder that outlives a checkout: $LZ_CACHE, else /var/cache/landing-zone for root, else ~/.cache/landing-zone.

    Without links in it, as the kernel names it in its list of mounts.
    """
    named = os.environ.get("LZ_CACHE")
    if named:
        return Path(named).resolve()
    if os.geteuid() == 0:
        return Path("/var/cache/landing-zone").resolve()
    return (Path.home() / ".cache" / "landing-zone").resolve()


def cache(*parts: str) -> Path:
    """A folder below the cache root, made if missing."""
    path = cache_root().joinpath(*parts)
    path.mkdir(parents=True, exist_ok=True)
    return path
