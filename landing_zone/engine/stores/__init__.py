"""Where the engine's state lies: a folder, a bucket of an S3 service, or a table of PostgreSQL.

The engine lays its objects out alike in all of them, so what reads state, clears locks and makes copies is written once, over
objects by key, and needs no call of the engine.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from landing_zone.engine.home import Home
from landing_zone.engine.stores.folder import Folder
from landing_zone.engine.stores.postgres import Table
from landing_zone.engine.stores.s3 import Bucket
from landing_zone.planners.plan import StateSpec


class Store(Protocol):
    """Objects by key. Every call raises LzError when the store does not answer or refuses."""

    @property
    def url(self) -> str:
        """The engine's own address of it; without a secret."""

    @property
    def settings(self) -> Mapping[str, str]:
        """Environment variables that the engine needs for it; they name secrets by file only."""

    def keys(self, prefix: str) -> list[str]:
        """Keys that begin with `prefix`, sorted."""

    def read(self, key: str) -> bytes | None:
        """What lies under a key; None when there is nothing."""

    def write(self, key: str, data: bytes) -> None:
        """Put something under a key, whole or not at all."""

    def remove(self, key: str) -> None:
        """Remove what lies under a key, if anything does."""


def of(spec: StateSpec, home: Home) -> Store:
    """The store that an environment file asks for. InputError when its credentials are not there."""
    match spec.backend:
        case "s3":
            return Bucket.of(spec.url, home.s3_credentials, home.s3_authority)
        case "postgres":
            return Table.of(spec.url)
        case "local":
            return Folder.of(home.backend)
