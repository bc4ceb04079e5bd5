"""The two ends of a flow as they are written: `world`, a zone, a zone of one tenant, or a destination."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from landing_zone.model.levels import zones

WORLD = "world"


@dataclass(frozen=True)
class End:
    """One end: a zone (of one tenant when `tenant` is set), a destination, or the world."""

    kind: Literal["zone", "destination", "world"]
    name: str
    tenant: str | None = None

    @property
    def of_platform(self) -> bool:
        """True for a zone of the platform."""
        return self._scope == "platform"

    @property
    def of_tenants(self) -> bool:
        """True for a zone of tenants, also of one of them."""
        return self._scope == "tenant"

    @property
    def _scope(self) -> str:
        known = self.kind == "zone" and self.name in zones()
        return zones()[self.name].scope if known else ""


def end(text: str) -> End:
    """Read one end: `world`, `ZONE`, `TENANT/ZONE`; anything else is taken for the name of a destination."""
    if text == WORLD:
        return End("world", text)
    tenant, slash, zone = text.rpartition("/")
    if slash or zone in zones():
        return End("zone", zone, tenant if slash else None)
    return End("destination", text)


def port_range(ports: int | str) -> tuple[int, int]:
    """First and last port of a port or of a range such as "8000-8010"."""
    if isinstance(ports, int):
        return ports, ports
    first, _, last = ports.partition("-")
    return int(first), int(last)
