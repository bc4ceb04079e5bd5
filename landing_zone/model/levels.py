"""What a security level prescribes, and which network zones there are: read from the two data files, nowhere else written."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal, cast

import yaml

LEVELS = (1, 2, 3, 4, 5)
_DATA = Path(__file__).resolve().parent.parent / "data"
Better = Literal["more", "less", "same"]


@dataclass(frozen=True)
class Figure:
    """One parameter: its value at each level (None: the rule sets none), which way an override may go, its control and its source."""

    key: str
    title: str
    values: tuple[int | None, ...]
    better: Better
    control: str
    source: str

    def at(self, level: int) -> int | None:
        """The figure of a level (1 to 5)."""
        return self.values[level - 1]

    def allows(self, level: int, value: int) -> bool:
        """Whether an environment of `level` may use `value` in place of the figure."""
        figure = self.at(level)
        if figure is None or value == figure:
            return True
        return value > figure if self.better == "more" else value < figure if self.better == "less" else False


@dataclass(frozen=True)
class Zone:
    """One kind of network zone; `slot` is its fixed place in an address block."""

    name: str
    title: str
    slot: int
    scope: Literal["platform", "tenant"]
    from_level: int
    external: bool = False
    isolated: bool = False


@cache
def figures() -> Mapping[str, Figure]:
    """All parameters by key."""
    content = yaml.safe_load((_DATA / "levels.yaml").read_text(encoding="utf-8"))
    return {
        key: Figure(key, entry["title"], tuple(entry["values"]), cast(Better, entry["better"]), entry["control"], entry["source"])
        for key, entry in content["parameters"].items()
    }


@cache
def zones() -> Mapping[str, Zone]:
    """All zones by name."""
    content = yaml.safe_load((_DATA / "zones.yaml").read_text(encoding="utf-8"))
    return {name: Zone(name, **entry) for name, entry in content["zones"].items()}


def zones_of(level: int) -> tuple[str, ...]:
    """Names of the zones that every environment of `level` has, in the order of the catalogue."""
    return tuple(zone.name for zone in zones().values() if zone.from_level <= level)
