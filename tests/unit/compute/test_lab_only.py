"""The lab's own Nova driver is offered to nobody outside the lab: it has no place on a cloud that people use."""

from __future__ import annotations

import ast
import tomllib
from collections.abc import Iterator
from pathlib import Path

from setuptools import find_namespace_packages  # type: ignore[import-untyped]  # has no types

from foundation.places import CHECKOUT

HERE = CHECKOUT / "lab/compute/driver"
NAMES = ("UMLDriver", "virt/uml", "virt.uml")  # the driver as Nova's settings name it, and the place in which Nova looks for it


def shipped() -> Iterator[Path]:
    """Files of what does something, in whatever language: all but tests and pages."""
    for top in CHECKOUT.iterdir():
        if top.is_dir() and top.name not in ("tests", "docs", "build") and not top.name.startswith("."):
            yield from (file for file in top.rglob("*") if file.is_file() and file.suffix != ".pyc")


def test_one_module_puts_it_where_nova_looks_and_it_is_the_labs() -> None:
    named = {file for file in shipped() if any(name in file.read_text(encoding="utf-8", errors="replace") for name in NAMES)}
    assert {file for file in named if HERE not in file.parents} == {CHECKOUT / "lab/compute/install.py"}
    callers = {file.relative_to(CHECKOUT).parts[0] for file in shipped() if "lab.compute.install" in set(imported(file))}
    assert callers == {"lab"}


def test_no_module_outside_imports_it() -> None:
    found = [file for file in shipped() if HERE not in file.parents for name in imported(file) if name.startswith("lab.compute.driver")]
    assert found == []


def test_an_ordinary_install_of_this_project_does_not_bring_it() -> None:
    """The editable one does: it is the checkout, of which the lab is made."""
    find = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"]["find"]
    packages = find_namespace_packages(str(CHECKOUT), include=find["include"], exclude=find.get("exclude", ()))
    assert "lab.compute" in packages
    assert [name for name in packages if name.startswith("lab.compute.driver")] == []


def imported(file: Path) -> Iterator[str]:
    """Full names of what a Python file imports by them."""
    if file.suffix != ".py":
        return
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (each.name for each in node.names)
        if isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield from (f"{node.module}.{each.name}" for each in node.names)
