"""An object store in memory, for copies of the state."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any
from unittest.mock import MagicMock

from openstack.exceptions import NotFoundException


class Objects:
    """An object store in memory, as far as copies use it."""

    def __init__(self) -> None:
        self.content: dict[str, bytes] = {}
        self.reader: str | None = None

    def create_container(self, name: str) -> None:
        """Containers are not told apart."""

    def get_container_metadata(self, name: str) -> Any:
        return SimpleNamespace(read_ACL=self.reader)

    def upload_object(self, container: str, name: str, data: bytes) -> None:
        self.content[name] = data

    def download_object(self, name: str, container: str) -> bytes:
        if name not in self.content:
            raise NotFoundException("none", response=MagicMock(status_code=404))
        return self.content[name]

    def objects(self, container: str) -> Iterator[Any]:
        yield from [SimpleNamespace(name=name) for name in sorted(self.content)]

    def delete_object(self, name: str, container: str) -> None:
        del self.content[name]
