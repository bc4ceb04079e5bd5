"""The map of the code in CONTRIBUTING: every part is on it, and imports what the map lets it import, no more."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from foundation.places import CHECKOUT

ROW = re.compile(r"^\| `([a-z_/.]+)` \|.*\| ?([^|]*?) ?\|$", re.MULTILINE)
CODE = ("foundation", "tools", "landing_zone", "components", "stacks", "policy", "lab")
ANYTHING, NOTHING = "everything", ("", "nothing of ours")


def rows() -> Mapping[str, str]:
    """Part of the code (a folder at the top, or NAME/MODULE) -> what it may import, as the map says."""
    text = (CHECKOUT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    return {name.rstrip("/").removesuffix(".py"): may for name, may in ROW.findall(text)}


def part_of(module: str) -> str:
    """The part that a module belongs to, "" when it is none of ours."""
    words = module.split(".")
    if words[0] not in CODE:
        return ""
    return "/".join(words[:2]) if words[0] == "landing_zone" or words[:2] == ["stacks", "__main__"] else words[0]


def allowed(part: str) -> set[str]:
    """What a part may import: what its row names, and what those may."""
    known = {name.rpartition("/")[2]: name for name in rows()}
    found: set[str] = set()
    todo = [part]
    while todo:
        may = rows()[todo.pop()]
        fresh = {known[name] for name in may.split(", ")} - found if may not in NOTHING else set()
        found |= fresh
        todo += fresh
    return found


def imported(file: Path) -> Iterator[str]:
    """Parts of ours that a file imports."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        names = [each.name for each in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names = [f"{node.module}.{each.name}" for each in node.names]
        yield from filter(None, map(part_of, names))


def parts() -> dict[str, list[Path]]:
    """Every part with its files."""
    found: dict[str, list[Path]] = {}
    for top in CODE:
        for file in (CHECKOUT / top).rglob("*.py"):
            inside = file.relative_to(CHECKOUT).with_suffix("")
            if inside.parts != ("landing_zone", "__init__"):
                found.setdefault(part_of(".".join(inside.parts)), []).append(file)
    return found


def test_every_part_is_on_the_map_and_nothing_else() -> None:
    folders = {path.name for path in CHECKOUT.iterdir() if path.is_dir() and not path.name.startswith(".") and path.name != "build"}
    there = {*parts(), *folders} - {"landing_zone"}
    assert {name for name in there if not name.endswith("__pycache__")} == set(rows())


@pytest.mark.parametrize("part", sorted(name for name in parts() if rows().get(name) != ANYTHING))
def test_a_part_imports_what_the_map_says(part: str) -> None:
    may = {part, *allowed(part)}
    outside = {f"{file.relative_to(CHECKOUT)}: {name}" for file in parts()[part] for name in imported(file) if name not in may}
    assert outside == set()
