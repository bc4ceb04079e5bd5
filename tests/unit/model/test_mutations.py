"""Every field of every shipped environment, spoiled in every way: each is refused, and the message names the key.

A seeded sample runs with the unit tests; `make test-long` runs them all.
"""

from __future__ import annotations

import random
import types
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal, Union, get_args, get_origin

import pytest
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from landing_zone.model.complaints import key_text, look_up
from landing_zone.model.environment import Environment
from tests.unit.model.support import SHIPPED, changed, complaints, document, said

Path_ = tuple[str | int, ...]
SAMPLE = 150
SEED = 20261123
_LONG = "x" * 5000


@dataclass(frozen=True)
class Mutation:
    """One spoiled value: what is done at `path`, and the key that must be named."""

    environment: str
    kind: str
    path: Path_
    value: Any = None
    named: Path_ = ()

    def apply(self, data: Any) -> None:
        _, holder = look_up(data, self.path[:-1])
        match self.kind:
            case "missing":
                del holder[self.path[-1]]
            case "unknown" | "wrong type" | "out of range":
                holder[self.path[-1]] = self.value
            case "duplicated":
                holder.append(holder[self.path[-1]])

    def __str__(self) -> str:
        return f"{self.environment}: {key_text(self.path)} {self.kind} {str(self.value)[:20]}"


def mutations(name: str) -> list[Mutation]:
    """All mutations of a shipped environment."""
    return list(_of_model(name, Environment, document(name).data, ()))


def _of_model(name: str, model: type[BaseModel], data: dict[str, Any], at: Path_) -> Iterator[Mutation]:
    yield Mutation(name, "unknown", (*at, "strange"), 1, (*at, "strange"))
    for field_name, field in model.model_fields.items():
        key = field.alias or field_name
        if key not in data:
            continue
        here = (*at, key)
        if field.is_required():
            yield Mutation(name, "missing", here, named=here)
        yield from _of_value(name, field, field.annotation, data[key], here)


def _of_value(name: str, field: FieldInfo, annotation: Any, value: Any, here: Path_) -> Iterator[Mutation]:
    model = _model(annotation)
    if isinstance(value, dict) and model is not None:
        for no_mapping in ("text", [1], 7, None):
            yield Mutation(name, "wrong type", here, no_mapping, here)
        yield from _of_model(name, model, value, here)
    elif isinstance(value, list):
        for no_list in ("text", {"a": 1}, 7):
            yield Mutation(name, "wrong type", here, no_list, here)
        for index, entry in enumerate(value):
            yield Mutation(name, "duplicated", (*here, index), named=(*here, len(value)))
            yield from _of_value(name, field, annotation, entry, (*here, index))
    else:
        yield from _of_scalar(name, annotation, value, here)


def _of_scalar(name: str, annotation: Any, value: Any, here: Path_) -> Iterator[Mutation]:
    wrong_types: list[Any] = [{"a": 1}, [1], True]
    out_of_range: list[Any] = []
    if isinstance(value, str):
        wrong_types += [7, 1.5]
        out_of_range += ["", _LONG]
        if here[-1] not in {"vi", "en", "name", "place"}:
            out_of_range.append("Hà Nội")
    elif isinstance(value, int):
        wrong_types += ["many", 1.5]
        out_of_range += [-1, 10**12]
    elif isinstance(value, float):
        wrong_types += ["far"]
        out_of_range += [1e6, float("nan")]
    if get_origin(annotation) is Literal:
        out_of_range.append("other" if isinstance(value, str) else 3)
    for wrong in wrong_types:
        yield Mutation(name, "wrong type", here, wrong, here)
    for wrong in out_of_range:
        yield Mutation(name, "out of range", here, wrong, here)


def _model(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    if get_origin(annotation) in (tuple, Union, types.UnionType):
        return next((found for inner in get_args(annotation) if (found := _model(inner))), None)
    return None


def check(mutation: Mutation) -> None:
    problems = complaints(changed(mutation.environment, mutation.apply))
    key = key_text(mutation.named)
    last = next(str(part) for part in reversed(mutation.named) if isinstance(part, str))
    assert problems, f"accepted: {mutation}"
    fitting = [problem for problem in problems if f"key {key}" in problem.where]
    assert fitting, f"{mutation} is refused without its key {key}:\n{said(problems)}"
    assert any(last in str(problem) for problem in fitting)
    assert all(problem.cure for problem in problems), said(problems)


@pytest.mark.parametrize("name", SHIPPED)
def test_a_sample_of_all_mutations_is_refused(name: str) -> None:
    everything = mutations(name)
    for mutation in random.Random(SEED).sample(everything, min(SAMPLE, len(everything))):
        check(mutation)


@pytest.mark.long
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("name", SHIPPED)
def test_all_mutations_are_refused(name: str) -> None:
    for mutation in mutations(name):
        check(mutation)


def test_mutations_reach_every_key_in_use() -> None:
    """The walk through model and data misses no key that a shipped environment has."""
    for name in SHIPPED:
        reached = {mutation.path for mutation in mutations(name)}
        for path in _paths(document(name).data, ()):
            assert path in reached, key_text(path)


def _paths(data: Any, at: Path_) -> Iterator[Path_]:
    entries = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    for key, value in entries:
        yield (*at, key)
        yield from _paths(value, (*at, key))
