"""The control catalogue as data: policy/controls.yaml, read once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import yaml

METHODS = ("model", "preview", "api", "packets", "node", "drill", "repo")
_FILE = Path(__file__).resolve().parent / "controls.yaml"


@dataclass(frozen=True)
class Control:
    """One control: mandatory from `min_level` on; `verify` are the methods of checking it, out of METHODS."""

    id: str
    family: str
    title: str
    requirement: str
    min_level: int
    verify: tuple[str, ...]
    check: str
    evidence: str
    figures: tuple[str, ...]
    sources: tuple[str, ...]


@cache
def controls() -> Mapping[str, Control]:
    """All controls by id, in the order of the file."""
    content = yaml.safe_load(_FILE.read_text(encoding="utf-8"))
    return {
        entry["id"]: Control(
            id=entry["id"],
            family=content["families"][entry["id"].split("-")[0]],
            title=entry["title"],
            requirement=entry["requirement"],
            min_level=entry["min_level"],
            verify=tuple(entry["verify"]),
            check=entry["check"],
            evidence=entry["evidence"],
            figures=tuple(entry.get("figures", ())),
            sources=tuple(entry["sources"]),
        )
        for entry in content["controls"]
    }


def page() -> str:
    """The catalogue as a page for people."""
    lines = [
        "# Controls\n",
        "Made from `policy/controls.yaml` by `python -m landing_zone.documents`; do not edit. A control is mandatory from its level",
        "on. What a method means, and the names of sources, is said at the head of that file.\n",
    ]
    family = ""
    for control in controls().values():
        if control.family != family:
            family = control.family
            lines += [
                f"\n## {family}\n",
                "| control | from level | requirement | check | by | sources |",
                "| --- | --- | --- | --- | --- | --- |",
            ]
        cells = (
            f"{control.id} {control.title}", str(control.min_level), control.requirement, control.check, ", ".join(control.verify),
            ", ".join(control.sources),
        )  # fmt: skip
        lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n".join(lines) + "\n"
