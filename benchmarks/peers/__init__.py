"""The programs that the landing zone is compared with: built once from pinned Go modules, kept in the cache by version."""

from __future__ import annotations

from pathlib import Path

from foundation.lock import exclusive
from foundation.places import CHECKOUT, cache
from foundation.progress import Progress
from tools import artefacts, pins
from tools.pins import Artefact, Pins

FOLDER = CHECKOUT / "benchmarks" / "peers"


class Peer(Artefact):
    """A pinned program whose Go module is committed below benchmarks/peers."""

    def sources(self) -> Path:
        """The committed Go module that builds it."""
        return FOLDER / self.build.module


def load() -> Pins:
    """The pins of the peers. Raises InputError with every problem in their file."""
    known = pins.load(FOLDER / "pins.toml")
    return known.model_copy(update={"artefacts": {name: Peer(**dict(artefact)) for name, artefact in known.artefacts.items()}})


def obtain(progress: Progress) -> dict[str, Path]:
    """Make sure that every peer is built, and return where each lies, by name. Raises LzError when one cannot be built."""
    known = load()
    with exclusive(cache("tools") / "peers.lock", "building the peers"):
        for artefact in known.artefacts.values():
            artefacts.obtain(artefact, known.go, progress)
    return {name: artefacts.folder(artefact) / artefact.binary for name, artefact in known.artefacts.items()}
