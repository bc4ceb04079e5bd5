"""README of a role, made from what the role itself reads: meta/argument_specs.yml, defaults, the settings it ships, and profiles."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml


def pages(checkout: Path) -> Iterator[tuple[Path, str]]:
    """README of every role of the checkout: path and text."""
    for specs in sorted((checkout / "roles").glob("*/meta/argument_specs.yml")):
        role = specs.parent.parent
        yield role / "README.md", page(role)


def page(role: Path) -> str:
    """README of the role in folder `role`: every variable with its type, what is shipped, and what a profile changes."""
    spec = _read(role / "meta" / "argument_specs.yml")["argument_specs"]["main"]
    defaults = _read(role / "defaults" / "main.yml")
    shipped = _read(role / "vars" / "main" / "settings.yml")[f"__{role.name}_shipped"]
    lifts = {file.stem: _read(file)[f"__{role.name}_lifts"] for file in sorted((role / "vars" / "profiles").glob("*.yml"))}
    lines = [
        f"# {role.name}",
        "",
        f"{spec['short_description']}. Made from `meta/argument_specs.yml`, `defaults` and `vars` by",
        "`python -m landing_zone.documents`; do not edit.",
        "",
        "A theme is switched by `ROLE_THEME_enabled`; `ROLE_THEME` is a dict of what differs from what is shipped. A profile lifts what",
        "its nodes need, and what is given in a variable wins over both.",
        "",
        "| variable | type | shipped | what it is |",
        "| --- | --- | --- | --- |",
    ]
    for name, option in spec["options"].items():
        theme = name.removeprefix(f"{role.name}_")
        lines.append(_row(name, option, defaults[name]))
        lines += [_row(f"{name}.{key}", each, shipped[theme][key]) for key, each in option.get("options", {}).items()]
    lines += ["", "## What profiles lift", "", "| profile | deviation | setting | value |", "| --- | --- | --- | --- |"]
    for profile, deviations in lifts.items():
        lines += [
            f"| {profile} | [{deviation}](../../docs/deviations/{deviation}.md) | {setting} | {_code(value)} |"
            for deviation, themes in deviations.items()
            for setting, value in leaves(themes)
        ] or [f"| {profile} | none | nothing | |"]
    return "\n".join(lines) + "\n"


def _read(path: Path) -> Mapping[str, Any]:
    content: Mapping[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    return content


def _row(name: str, option: Mapping[str, Any], value: object) -> str:
    choices = f" ({', '.join(option['choices'])})" if "choices" in option else ""
    return f"| `{name}` | {option['type']} | {_code(value)} | {option['description']}{choices} |"


def _code(value: object) -> str:
    if isinstance(value, dict | list) and len(json.dumps(value)) > 120:
        return f"{len(value)} entries, see `vars/main/settings.yml`"
    return f"`{json.dumps(value)}`"


def leaves(tree: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, object]]:
    """Settings below themes with their dotted names. Names of kernel parameters have dots of their own."""
    for key, value in tree.items():
        if isinstance(value, dict) and value:
            yield from leaves(value, f"{above}{key}.")
        else:
            yield f"{above}{key}", value
