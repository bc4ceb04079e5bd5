"""Load an environment file: shape first, then the rules that span several keys, every problem at once."""

from __future__ import annotations

import copy
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from foundation.errors import InputError, raise_all
from landing_zone.model import rules
from landing_zone.model.complaints import Finding, findings, look_up, problem
from landing_zone.model.document import Document, Path_, read
from landing_zone.model.environment import Environment

_NUMBERS = ("level", "size")
_LISTS = ("regions", "zones")
_PRUNED = ("tenants", "flows", "destinations", "shared_services")


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
        found = findings(document, Environment, error.errors(include_url=False))
        found += tuple(_rules_on_the_rest(document, [finding.path for finding in found]))
        raise InputError(*(problem(document, finding) for finding in found)) from None
    raise_all(problem(document, finding) for finding in rules.check(environment))
    return environment


def _type_row(row: dict[str, Any]) -> None:
    """Give the cells of a register row the types of their keys: numbers, and lists of words with spaces between."""
    for key in _NUMBERS:
        text = row.get(key)
        if isinstance(text, str) and text.isascii() and text.isdigit():
            row[key] = int(text)
    for key in _LISTS:
        if isinstance(row.get(key), str):
            row[key] = row[key].split()


def _rules_on_the_rest(document: Document, wrong: Iterable[Path_]) -> list[Finding]:
    """What the rules find in a document without its misshapen list entries, as far as the rest has the right shape."""
    dropped: dict[str, set[int]] = {}
    for path in wrong:
        if len(path) < 2 or path[0] not in _PRUNED or not isinstance(path[1], int):
            return []
        dropped.setdefault(str(path[0]), set()).add(path[1])
    rest = copy.copy(document.data)
    kept: dict[str, list[int]] = {}
    for key, indexes in dropped.items():
        kept[key] = [index for index in range(len(rest[key])) if index not in indexes]
        rest[key] = [rest[key][index] for index in kept[key]]
    try:
        environment = Environment.model_validate(rest)
    except ValidationError:
        return []
    found = [_renumbered(finding, kept) for finding in rules.check(environment)]
    return [finding for finding in found if not _about_dropped(document, finding, dropped)]


def _renumbered(finding: Finding, kept: dict[str, list[int]]) -> Finding:
    """The finding with the index that its entry has in the whole document."""
    if len(finding.path) < 2 or finding.path[0] not in kept:
        return finding
    head, index, *rest = finding.path
    return Finding((head, kept[str(head)][int(index)], *rest), finding.what, finding.why, finding.cure)


def _about_dropped(document: Document, finding: Finding, dropped: dict[str, set[int]]) -> bool:
    """Whether a finding only says that a misshapen entry is not there."""
    names = {
        str(entry[key])
        for section, indexes in dropped.items()
        for entry in (document.data[section][index] for index in indexes)
        if isinstance(entry, dict)
        for key in ("code", "name")
        if isinstance(entry.get(key), str)
    }
    return finding.path[0] == "flows" and "unknown" in finding.what and any(name in finding.what for name in names)
