"""What the rules find in an environment file whose shape is wrong in places: they speak of all that does not hang on those."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from functools import cache
from typing import Annotated, Any, NoReturn, TypeVar, get_args, get_origin

from pydantic import BaseModel, TypeAdapter

from landing_zone.model import rules
from landing_zone.model.complaints import Finding
from landing_zone.model.document import Path_
from landing_zone.model.environment import Environment

Model = TypeVar("Model", bound=BaseModel)
_PRUNED = ("tenants", "flows", "destinations", "shared_services")
_NAMES = ("code", "name")


class Unsaid:
    """Stands for a value that is wrong in the file: whatever is done with it is a TypeError or an AttributeError."""

    __hash__ = None  # type: ignore[assignment]

    def __eq__(self, other: object) -> NoReturn:
        raise TypeError("this value is wrong in the file")

    def __bool__(self) -> NoReturn:
        raise TypeError("this value is wrong in the file")

    def __str__(self) -> NoReturn:
        raise TypeError("this value is wrong in the file")


def findings(data: Any, wrong: Iterable[Path_]) -> list[Finding]:
    """What the rules find in plain data beside the `wrong` paths. A rule that needs a value that is wrong waits for the next run.

    A misshapen entry of a list that rules go through one by one is left out instead, so that they speak of the others.
    """
    dropped: dict[str, set[int]] = {}
    unsaid: set[Path_] = set()
    nameless = False
    for path in wrong:
        if len(path) > 1 and path[0] in _PRUNED and isinstance(path[1], int):
            dropped.setdefault(str(path[0]), set()).add(path[1])
            nameless = nameless or len(path) == 2 or path[2] in _NAMES
        else:
            unsaid.add(path)
    if () in unsaid:
        return []
    kept = {key: [index for index in range(len(data[key])) if index not in indexes] for key, indexes in dropped.items()}
    rest = {**data, **{key: [data[key][index] for index in indexes] for key, indexes in kept.items()}}
    found = [_renumbered(finding, kept) for finding in _spoken(_known(Environment, rest, (), unsaid))]
    return [finding for finding in found if not _about_dropped(data, finding, dropped, nameless)]


def _spoken(environment: Environment) -> Iterator[Finding]:
    """What each rule finds until it needs a value that is wrong."""
    for rule in rules.ALL:
        with suppress(TypeError, AttributeError):
            yield from rule(environment)


def _known(model: type[Model], data: Mapping[str, Any], path: Path_, wrong: set[Path_]) -> Model:
    """A mapping, which stands at `path`, with `Unsaid` where something is wrong. What is neither written nor wrong has its default."""
    fields = {}
    for name, field in model.model_fields.items():
        key = field.alias or name
        here = (*path, key)
        if _touched(here, wrong):
            fields[key] = _partly(field.annotation, data.get(key), here, wrong)
        elif key in data:
            fields[key] = _adapter(model, name).validate_python(data[key])
    return model.model_construct(**fields)


def _partly(kind: Any, value: Any, path: Path_, wrong: set[Path_]) -> Any:
    """A value in which something is wrong: what is right in a mapping, or in a list of mappings; nothing of anything else."""
    model = next((part for part in (kind, *get_args(kind)) if isinstance(part, type) and issubclass(part, BaseModel)), None)
    if model is None or path in wrong:
        return Unsaid()
    if get_origin(kind) is tuple:
        return tuple(_partly(model, each, (*path, index), wrong) for index, each in enumerate(value))
    return _known(model, value, path, wrong)


def _touched(path: Path_, wrong: set[Path_]) -> bool:
    """Whether something at the path, or below it, is wrong."""
    return any(each[: len(path)] == path for each in wrong)


@cache
def _adapter(model: type[BaseModel], name: str) -> TypeAdapter[Any]:
    field = model.model_fields[name]
    kind: Any = Annotated[field.annotation, *field.metadata] if field.metadata else field.annotation
    return TypeAdapter(kind)


def _renumbered(finding: Finding, kept: Mapping[str, list[int]]) -> Finding:
    """The finding with the index that its entry has in the whole document."""
    if len(finding.path) < 2 or finding.path[0] not in kept:
        return finding
    head, index, *rest = finding.path
    return Finding((head, kept[str(head)][int(index)], *rest), finding.what, finding.why, finding.cure)


def _about_dropped(data: Any, finding: Finding, dropped: Mapping[str, set[int]], nameless: bool) -> bool:
    """Whether a finding may only say that a misshapen entry is not there. `nameless`: what one is called is itself wrong."""
    if finding.path[0] != "flows" or "unknown" not in finding.what:
        return False
    entries = [data[section][index] for section, indexes in dropped.items() for index in indexes]
    names = {str(entry[key]) for entry in entries if isinstance(entry, dict) for key in _NAMES if key in entry}
    return nameless or any(name in finding.what for name in names)
