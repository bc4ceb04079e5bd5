"""Creations that failed without a clear answer of the cloud, kept beside the state until the next run has looked for them.

The engine takes a failed creation for one that made nothing. After a lost connection, or when a gateway gave up waiting,
the cloud may have made the thing all the same, and the state does not know it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from foundation import files
from landing_zone.engine.home import Home


@dataclass(frozen=True)
class Doubt:
    """A thing that perhaps exists: its resource's URN, its type token, and what was asked for (secrets left out).

    Without a type token: a thing that exists, and has perhaps been changed.
    """

    urn: str
    kind: str
    inputs: Mapping[str, Any]


def keep(home: Home, stack: str, found: Iterable[Doubt]) -> None:
    """Add to the doubts about a stack."""
    every = [asdict(doubt) for doubt in (*kept(home, stack), *found)]
    if not every:
        return
    files.replace(home.doubts(stack), json.dumps(every))


def kept(home: Home, stack: str) -> tuple[Doubt, ...]:
    """The doubts about a stack."""
    path = home.doubts(stack)
    return tuple(Doubt(**doubt) for doubt in json.loads(path.read_text())) if path.exists() else ()


def settle(home: Home, stack: str) -> None:
    """Forget the doubts about a stack: they have been looked into."""
    home.doubts(stack).unlink(missing_ok=True)
