"""From what pydantic found to problems that a person can act on: file, line, key, value, reason and cure."""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, get_args

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from foundation.errors import Problem
from landing_zone.model.document import Document, Path_
from landing_zone.model.fields import literals

_LONGEST_VALUE = 60


@dataclass(frozen=True)
class Finding:
    """Something wrong at a path of the document; `value` is shown as far as it is short."""

    path: Path_
    what: str
    why: str = ""
    cure: str = ""


def problem(document: Document, finding: Finding) -> Problem:
    """A finding with its place: file, line, key and value."""
    where = f"{document.place(finding.path)}, key {key_text(finding.path)}"
    present, value = look_up(document.data, finding.path)
    if present:
        where += f", value {shown(value)}"
    return Problem(finding.what, where, finding.why, finding.cure)


def findings(document: Document, root: type[BaseModel], errors: list[ErrorDetails]) -> tuple[Finding, ...]:
    """What pydantic found, one finding a key."""
    by_path: dict[Path_, Finding] = {}
    for error in errors:
        if error["type"] == "too_short" and any(len(other["loc"]) > len(error["loc"]) for other in errors):
            present, entries = look_up(document.data, tuple(error["loc"]))
            if present and entries:
                continue  # pydantic counts the entries that were right only
        finding = _finding(document, root, error)
        by_path.setdefault(finding.path, finding)
    return tuple(by_path.values())


def key_text(path: Path_) -> str:
    """A path as a person writes it: tenants[3].projects[0].quota, indexes from 0."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else str(part)
    return text or "(the whole file)"


def shown(value: Any) -> str:
    """A value, shortened."""
    if isinstance(value, dict):
        return f"a mapping of {len(value)} keys"
    if isinstance(value, list):
        return f"a list of {len(value)} entries"
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _LONGEST_VALUE else text[: _LONGEST_VALUE - 3] + "..."


def look_up(data: Any, path: Path_) -> tuple[bool, Any]:
    """Whether there is something at `path` of plain data, and what."""
    for part in path:
        inside = isinstance(data, dict) and part in data
        if not inside and not (isinstance(data, list) and isinstance(part, int) and part < len(data)):
            return False, None
        data = data[part]
    return True, data


def _finding(document: Document, root: type[BaseModel], error: ErrorDetails) -> Finding:
    path = tuple(error["loc"])
    key = str(path[-1]) if path else ""
    named = f"entry {key} of {path[-2]}" if path and isinstance(path[-1], int) else key
    field, holder = _field(root, path)
    match error["type"]:
        case "missing":
            return Finding(path, f"the key {key!r} is missing", cure=_advice(key, field))
        case "extra_forbidden":
            return Finding(path, f"unknown key {key!r}", cure=_nearest(key, holder))
        case "model_type" | "dict_type" | "model_attributes_type":
            keys = ", ".join(_keys(holder)) if holder else "keys"
            return Finding(path, f"{named or 'the file'} must be a mapping", cure=f"write it with the keys {keys}")
        case "tuple_type" | "list_type":
            return Finding(path, f"{key} must be a list", cure=_advice(key, field))
    _, value = look_up(document.data, path)
    why = _ascii_reason(value, error.get("ctx", {}).get("pattern")) or reason(error)
    return Finding(path, f"{named} is not what it must be", why, _advice(str(next(p for p in reversed(path) if isinstance(p, str))), field))


def reason(error: ErrorDetails) -> str:
    """Why pydantic refused a value, in words."""
    context = error.get("ctx", {})
    if error["type"] == "string_pattern_mismatch":
        return f"it does not match {context.get('pattern')}"
    return error["msg"].removeprefix("Value error, ")


def _ascii_reason(value: Any, pattern: str | None) -> str:
    """That a letter is none of those that names may have; not where the pattern takes it, as that of texts for people does."""
    if not isinstance(value, str):
        return ""
    strange = next((letter for letter in value if not " " <= letter <= "~" and not (pattern and re.search(pattern, letter))), None)
    return f"the character {strange!r} is not printable ASCII; names in the cloud are" if strange else ""


def _advice(key: str, field: FieldInfo | None) -> str:
    if field is None:
        return "see docs/reference/environment.md"
    choices = literals(field.annotation)
    options = f" One of: {', '.join(choices)}." if choices else ""
    return f"write {key}: {field.description}{options}"


def _nearest(key: str, holder: type[BaseModel] | None) -> str:
    known = list(_keys(holder)) if holder else []
    near = difflib.get_close_matches(key, known, n=1)
    return f"did you mean {near[0]!r}? The keys here are {', '.join(known)}" if near else f"remove it; the keys here are {', '.join(known)}"


def _keys(model: type[BaseModel]) -> Iterator[str]:
    return (field.alias or name for name, field in model.model_fields.items())


def _field(root: type[BaseModel], path: Path_) -> tuple[FieldInfo | None, type[BaseModel] | None]:
    """The field that a path leads to, and the model that it leads to or that its last key stands in."""
    holder: type[BaseModel] | None = root
    field: FieldInfo | None = None
    for part in path:
        if isinstance(part, int) or holder is None:
            continue
        named = next((f for name, f in holder.model_fields.items() if (f.alias or name) == part), None)
        if named is None:
            return None, holder
        field = named
        inner = _model(named.annotation)
        if inner is None:
            return field, holder
        holder = inner
    return field, holder


def _model(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for inner in get_args(annotation) if (found := _model(inner))), None)
