"""Load an environment file: shape first, then the rules that span several keys, every problem at once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from foundation.errors import InputError, raise_all
from landing_zone.model import rest, rules
from landing_zone.model.complaints import findings, look_up, problem
from landing_zone.model.document import Document, Path_, number, read
from landing_zone.model.environment import Environment

_NUMBERS = ("level", "size")
_LISTS = ("regions", "zones")


def load(path: Path) -> Environment:
    """Read an environment file. Raises InputError with every problem, each with file, line, key, value and cure."""
    return build(read(path))


def build(document: Document) -> Environment:
    """The environment that a document describes. Raises InputError with every problem."""
    for row in document.rows:
        _type_row(look_up(document.data, row)[1])
    try:
        environment = Environment.model_validate(document.data)
    except ValidationError as error:
        errors = error.errors(include_url=False)
        found = findings(document, Environment, errors)
        found += tuple(rest.findings(document.data, [finding.path for finding in found]))
        repeated = set(_repeated(document, errors))
        raise InputError(*(problem(document, finding) for finding in found if finding.path not in repeated)) from None
    raise_all(problem(document, finding) for finding in rules.check(environment))
    return environment


def _repeated(document: Document, errors: Iterable[ErrorDetails]) -> Iterator[Path_]:
    """Where a row of a register lacks a column, or has one too many, as an earlier row of the file does: it is the head line's fault."""
    told: set[tuple[Path, str]] = set()
    for error in errors:
        path = tuple(error["loc"])
        row = next((path[:end] for end in range(1, len(path)) if path[:end] in document.rows), None)
        if row is None or error["type"] not in {"missing", "extra_forbidden"}:
            continue
        column = ".".join(map(str, path[len(row) :]))
        there = any(name == column or name.startswith(f"{column}.") for name in document.rows[row])
        if there != (error["type"] == "extra_forbidden"):
            continue
        mark = (document.place(row).file, column)
        if mark in told:
            yield path
        told.add(mark)


def _type_row(row: dict[str, Any]) -> None:
    """Give the cells of a register row the types of their keys: numbers, and lists of words with spaces between."""
    for key in _NUMBERS:
        text = row.get(key)
        if isinstance(text, str) and text.isascii() and text.isdigit():
            row[key] = number(text, int)
    for key in _LISTS:
        if isinstance(row.get(key), str):
            row[key] = row[key].split()
