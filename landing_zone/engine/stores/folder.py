"""State in a folder of this machine."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

BESIDE = ".attrs"  # files that the engine wrote beside each object, with its type and checksum, before it was told not to


@dataclass(frozen=True)
class Folder:
    """A store in a folder."""

    root: Path

    @classmethod
    def of(cls, root: Path) -> Folder:
        """The store in that folder, without what runs of an older `lz` wrote beside its objects: an empty companion, as a
        killed engine left it, makes the engine take a whole object for unreadable."""
        for companion in root.rglob(f"*{BESIDE}"):
            companion.unlink(missing_ok=True)
        return cls(root)

    @property
    def url(self) -> str:
        """The engine's own address of it; with it the engine writes objects only, each by one renaming, and nothing beside them."""
        return f"file://{self.root}?metadata=skip"

    @property
    def settings(self) -> Mapping[str, str]:
        """None are needed."""
        return {}

    def keys(self, prefix: str) -> list[str]:
        """Keys that begin with `prefix`, sorted."""
        folder = self.root / prefix.rpartition("/")[0]
        found = (Path(place, name).relative_to(self.root).as_posix() for place, _, names in os.walk(folder) for name in names)
        return sorted(key for key in found if key.startswith(prefix))

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

    def remove(self, key: str) -> None:
        """Remove what lies under a key, if anything does."""
        (self.root / key).unlink(missing_ok=True)
