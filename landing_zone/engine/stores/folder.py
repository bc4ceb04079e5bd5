"""State in a folder of this machine."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

BESIDE = ".attrs"  # files of the engine's own, one beside each object: its type and checksum

DRAFT = ".tmp"  # how the engine's own drafts end


@dataclass(frozen=True)
class Folder:
    """A store in a folder."""

    root: Path

    @property
    def url(self) -> str:
        """The engine's own address of it."""
        return f"file://{self.root}"

    @property
    def settings(self) -> Mapping[str, str]:
        """None are needed."""
        return {}

    def keys(self, prefix: str) -> list[str]:
        """Keys that begin with `prefix`, sorted."""
        folder = self.root / prefix.rpartition("/")[0]
        found = (Path(place, name).relative_to(self.root).as_posix() for place, _, names in os.walk(folder) for name in names)
        return sorted(key for key in found if key.startswith(prefix) and not key.endswith(BESIDE))

    def read(self, key: str) -> bytes | None:
        """What lies under a key; None when there is nothing."""
        try:
            return (self.root / key).read_bytes()
        except FileNotFoundError:
            return None

    def write(self, key: str, data: bytes) -> None:
        """Put something under a key, whole or not at all."""
        path = self.root / key
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        draft = path.with_name(f".{path.name}.{os.getpid()}")
        draft.write_bytes(data)
        draft.replace(path)
        self._beside(key).unlink(missing_ok=True)  # it would tell of what was there before

    def remove(self, key: str) -> None:
        """Remove what lies under a key, if anything does."""
        (self.root / key).unlink(missing_ok=True)
        self._beside(key).unlink(missing_ok=True)

    def mend(self, key: str) -> None:
        """Remove what a killed engine has half written around a key: by an empty companion it takes the object for unreadable."""
        path = self.root / key
        for place in path.parent.glob(f"{path.name}*"):
            if place.suffix == DRAFT or (place.name.endswith(BESIDE) and not place.stat().st_size):
                place.unlink(missing_ok=True)

    def _beside(self, key: str) -> Path:
        return self.root / f"{key}{BESIDE}"
