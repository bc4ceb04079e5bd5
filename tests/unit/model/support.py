"""Environments to spoil: shipped ones as plain data, and what the model says about a changed copy."""

from __future__ import annotations

import copy
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

from foundation.errors import InputError, Problem
from foundation.places import CHECKOUT
from landing_zone.model.document import Document, read
from landing_zone.model.environment import Environment
from landing_zone.model.loading import build

ENVIRONMENTS = CHECKOUT / "environments"
SHIPPED = ("lab", "ministry-agc", "national-cgc", "regional-dc")


def shipped(name: str) -> Path:
    """The file of a shipped environment."""
    return ENVIRONMENTS / f"{name}.yaml"


@cache
def document(name: str) -> Document:
    """A shipped environment as a document, its register rows typed."""
    found = read(shipped(name))
    build(found)
    found.rows.clear()
    return found


@cache
def environment(name: str) -> Environment:
    """A shipped environment."""
    return build(read(shipped(name)))


def changed(name: str, change: Callable[[Any], object]) -> Document:
    """A copy of a shipped environment after `change` was applied to its plain data."""
    original = document(name)
    data = copy.deepcopy(original.data)
    change(data)
    return Document(data, original.places, original.files)


def complaints(spoiled: Document) -> tuple[Problem, ...]:
    """The problems that the model finds; none when it accepts the document."""
    try:
        build(spoiled)
    except InputError as error:
        return error.problems
    return ()


def said(problems: tuple[Problem, ...]) -> str:
    """All problems as one text."""
    return "\n".join(map(str, problems))
