"""All commands of `lz`, and their options."""

from __future__ import annotations

from typing import Any

from landing_zone.cli.app import COMMANDS, load


def commands() -> list[str]:
    """Every command, those of a group by both words."""
    loaded = {name: load(name) for name in COMMANDS}
    return sorted(" ".join((name, each)) if each else name for name, found in loaded.items() for each in getattr(found, "commands", ("",)))


def options_of(name: str) -> set[str]:
    """The options of a command, which is named by all its words."""
    found: Any = load(name.split(maxsplit=1)[0])
    for word in name.split()[1:]:
        found = found.commands[word]
    return {option for parameter in found.params for option in parameter.opts}
