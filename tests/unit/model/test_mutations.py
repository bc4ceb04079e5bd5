"""Every field of every shipped environment, and those that none of them writes, spoiled in every way: each is refused, and the message
names the key.

The unit tests spoil every key in every way once, at an entry and with a value that a seed chooses; `make test-long` runs them all.
"""

from __future__ import annotations

import csv
import io
import random
import re
import shutil
import types
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin

import pytest
import yaml
from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from foundation.errors import InputError, Problem
from landing_zone.model import load
from landing_zone.model.complaints import Finding, findings, key_text, look_up
from landing_zone.model.document import Document, Path_, read
from landing_zone.model.environment import Environment
from tests.unit.model.contradictions import CONTRADICTIONS, FREE
from tests.unit.model.support import ENVIRONMENTS, REST, SHIPPED, changed, complaints, document, said, shipped

KINDS = {"missing", "unknown", "wrong type", "out of range", "duplicated", "contradictory"}
SPOILED = (*SHIPPED, REST)
SEED = 20261123
_LONG = "x" * 5000
_TEXT = "tag:yaml.org,2002:str"
CELLS = {
    "code": ["", "Hà Nội", "-1", "x" * 300],
    "dti_code": ["", "mã số", "-1", "x" * 300],
    "name.vi": ["", "x" * 300],
    "name.en": ["", "x" * 300],
    "level": ["", "six", "3.0", "-1", "0", "6", "5 4"],
    "enclave": ["Hà Nội", "-1", "gone", "x" * 300],
}
"""Wrong cells by column of a register."""
FOR_PEOPLE = {
    "name.vi",
    "name.en",
    "contacts[].name",
    "regions[].place",
    "enclaves[].name.vi",
    "enclaves[].name.en",
    "tenants[].name.vi",
    "tenants[].name.en",
    "tenants[].contacts[].name",
}
"""The keys that may be of any script; everything else becomes a name, or text, in the cloud."""
UNIQUE = {"code", "dti_code", "name.vi", "name.en"}


@dataclass(frozen=True)
class Mutation:
    """One spoiled value: what is done at `path`, and the keys of which one must be named ([]: any index)."""

    environment: str
    kind: str
    path: Path_
    value: Any = None
    named: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        """The key with [] for its indexes."""
        return pattern(self.path)

    def apply(self, data: Any) -> None:
        _, holder = look_up(data, self.path[:-1])
        match self.kind:
            case "missing":
                del holder[self.path[-1]]
            case "unknown" | "wrong type" | "out of range" | "contradictory":
                holder[self.path[-1]] = self.value
            case "duplicated":
                holder.append(holder[self.path[-1]])

    def __str__(self) -> str:
        return f"{self.environment}: {key_text(self.path)} {self.kind} {str(self.value)[:20]}"


def pattern(path: Path_) -> str:
    """A path as a person writes it, with [] for any index."""
    return re.sub(r"\[\d+\]", "[]", key_text(path))


def mutations(name: str) -> list[Mutation]:
    """All mutations of a shipped environment."""
    data = document(name).data
    return [*_of_model(name, Environment, data, ()), *_contradictions(name, data)]


def one_of_each(name: str) -> list[Mutation]:
    """One mutation of each kind for each key, chosen by the seed."""
    groups: dict[tuple[str, str], list[Mutation]] = {}
    for mutation in mutations(name):
        groups.setdefault((mutation.key, mutation.kind), []).append(mutation)
    choose = random.Random(SEED)
    return [choose.choice(group) for group in groups.values()]


def _contradictions(name: str, data: dict[str, Any]) -> Iterator[Mutation]:
    for path in _paths(data, ()):
        found = CONTRADICTIONS.get(pattern(path))
        value = found.value(data, path) if found else None
        if found and value is not None and value != look_up(data, path)[1]:
            yield Mutation(name, "contradictory", path, value, found.named or (key_text(path),))


def _of_model(name: str, model: type[BaseModel], data: dict[str, Any], at: Path_) -> Iterator[Mutation]:
    yield Mutation(name, "unknown", (*at, "strange"), 1, (key_text((*at, "strange")),))
    for field_name, field in model.model_fields.items():
        key = field.alias or field_name
        if key not in data:
            continue
        here = (*at, key)
        if field.is_required():
            yield Mutation(name, "missing", here, named=(key_text(here),))
        yield from _of_value(name, field, field.annotation, data[key], here)


def _of_value(name: str, field: FieldInfo, annotation: Any, value: Any, here: Path_) -> Iterator[Mutation]:
    model = _model(annotation)
    if isinstance(value, dict) and model is not None:
        for no_mapping in ("text", [1], 7, None):
            yield Mutation(name, "wrong type", here, no_mapping, (key_text(here),))
        yield from _of_model(name, model, value, here)
    elif isinstance(value, list):
        for no_list in ("text", {"a": 1}, 7):
            yield Mutation(name, "wrong type", here, no_list, (key_text(here),))
        for index, entry in enumerate(value):
            yield Mutation(name, "duplicated", (*here, index), named=(key_text((*here, len(value))),))
            yield from _of_value(name, field, annotation, entry, (*here, index))
    else:
        yield from _of_scalar(name, annotation, value, here)


def _of_scalar(name: str, annotation: Any, value: Any, here: Path_) -> Iterator[Mutation]:
    wrong_types: list[Any] = [{"a": 1}, [1], True]
    out_of_range: list[Any] = []
    if isinstance(value, str):
        wrong_types += [7, 1.5]
        out_of_range += ["", _LONG]
        if pattern(here) not in FOR_PEOPLE:
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
        yield Mutation(name, "wrong type", here, wrong, (key_text(here),))
    for wrong in out_of_range:
        yield Mutation(name, "out of range", here, wrong, (key_text(here),))


def _model(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    if get_origin(annotation) in (tuple, Union, types.UnionType):
        return next((found for inner in get_args(annotation) if (found := _model(inner))), None)
    return None


def check(mutation: Mutation) -> None:
    spoiled = changed(mutation.environment, mutation.apply)
    problems = complaints(spoiled)
    assert problems, f"accepted: {mutation}"
    fitting = [problem for problem in problems if any(names(problem, key) for key in mutation.named)]
    assert fitting, f"{mutation} is refused without its key {mutation.named}:\n{said(problems)}"
    last = {re.sub(r"\[\d*\]", "", key).rpartition(".")[2] for key in mutation.named}
    assert any(word in str(problem) for problem in fitting for word in last)
    assert all(problem.cure for problem in problems), said(problems)
    shapes = misshapen(spoiled)
    assert not shapes or len(problems) == len(shapes), f"{mutation} is held against other keys:\n{said(problems)}"


def misshapen(spoiled: Document) -> tuple[Finding, ...]:
    """What is wrong with the shape alone."""
    try:
        Environment.model_validate(spoiled.data)
    except ValidationError as error:
        return findings(spoiled, Environment, error.errors(include_url=False))
    return ()


def names(problem: Problem, key: str) -> bool:
    """Whether a problem is about a key or one within it; [] stands for any index."""
    wanted = re.escape(key).replace(re.escape("[]"), r"\[\d+\]")
    return re.search(rf"key {wanted}([.,]|$)", problem.where) is not None


@pytest.mark.parametrize("name", SPOILED)
def test_every_key_spoiled_in_every_way_is_refused(name: str) -> None:
    chosen = one_of_each(name)
    assert {mutation.kind for mutation in chosen} == KINDS
    for mutation in chosen:
        check(mutation)


@pytest.mark.long
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("name", SPOILED)
def test_all_mutations_are_refused(name: str) -> None:
    for mutation in mutations(name):
        check(mutation)


def test_mutations_reach_every_key_in_use() -> None:
    """The walk through model and data misses no key that is written."""
    for name in SPOILED:
        reached = {mutation.path for mutation in mutations(name)}
        for path in _paths(document(name).data, ()):
            assert path in reached, key_text(path)


def test_every_key_of_the_model_is_written_somewhere() -> None:
    """So that a new one is spoiled, too."""
    written = {re.sub(r"\[\]", "", pattern(path)) for name in SPOILED for path in _paths(document(name).data, ())}
    assert set(_keys(Environment, "")) - written == set()


def _keys(model: type[BaseModel], above: str) -> Iterator[str]:
    for name, field in model.model_fields.items():
        here = f"{above}{field.alias or name}"
        yield here
        inner = _model(field.annotation)
        if inner is not None:
            yield from _keys(inner, f"{here}.")


@pytest.mark.parametrize("name", SHIPPED)
def test_every_key_that_stands_twice_is_refused_with_its_line(name: str, tmp_path: Path) -> None:
    """All of them at once; by YAML itself the second one would count."""
    path = tmp_path / "env.yaml"
    (tmp_path / "registers").symlink_to(ENVIRONMENTS / "registers")
    root = _composed(shipped(name).read_text(encoding="utf-8"))
    for mapping in _mappings(root):
        mapping.value += [(key, yaml.ScalarNode(_TEXT, "again")) for key, _ in mapping.value]
    path.write_text(yaml.serialize(root), encoding="utf-8")
    doubled = [mapping.value for mapping in _mappings(_composed(path.read_text(encoding="utf-8")))]
    second = [key for entries in doubled for key, _ in entries[len(entries) // 2 :]]
    assert len(second) > 100
    with pytest.raises(InputError) as caught:
        read(path)
    told = {(problem.what, problem.where) for problem in caught.value.problems}
    assert told == {(f"the key {key.value!r} stands twice", f"{path}:{key.start_mark.line + 1}") for key in second}


def _composed(text: str) -> yaml.Node:
    node = yaml.compose(text, Loader=yaml.SafeLoader)
    assert node is not None
    return node


def _mappings(node: yaml.Node) -> list[yaml.MappingNode]:
    """All within a node, each once, whatever aliases there are."""
    found: dict[int, yaml.MappingNode] = {}

    def walk(each: yaml.Node) -> None:
        if isinstance(each, yaml.MappingNode):
            found[id(each)] = each
        if isinstance(each, yaml.CollectionNode):
            for entry in each.value:
                for inner in entry if isinstance(entry, tuple) else (entry,):
                    walk(inner)

    walk(node)
    return list(found.values())


def test_every_key_is_contradicted_or_known_to_be_free() -> None:
    leaves = {
        pattern(path)
        for name in SPOILED
        for path in _paths(document(name).data, ())
        if not isinstance(look_up(document(name).data, path)[1], (dict, list))
    }
    made = {mutation.key for name in SPOILED for mutation in mutations(name) if mutation.kind == "contradictory"}
    assert made == set(CONTRADICTIONS)
    assert leaves - made == FREE


@pytest.mark.parametrize("column", CELLS)
@pytest.mark.parametrize("register", ["ministries.csv", "provinces.csv"])
def test_a_spoiled_cell_of_a_register_is_refused_with_its_line(register: str, column: str, tmp_path: Path) -> None:
    folder = tmp_path / "environments"
    shutil.copytree(ENVIRONMENTS, folder)
    path = folder / "registers" / register
    lines = path.read_text().splitlines()
    head = next(number for number, line in enumerate(lines) if line.startswith("code,"))
    columns = lines[head].split(",")
    if column not in columns:
        return
    chosen, other = random.Random(SEED).sample(range(head + 1, len(lines)), 2)
    row, another = (next(csv.reader([lines[number]])) for number in (chosen, other))
    at = columns.index(column)
    for cell in (*CELLS[column], *([another[at]] if column in UNIQUE else [])):
        lines[chosen] = _csv_line([*row[:at], cell, *row[at + 1 :]])
        path.write_text("\n".join(lines))
        with pytest.raises(InputError) as caught:
            load(folder / "national-cgc.yaml")
        place = rf"{register}:({chosen + 1}|{other + 1}), key tenants\[\d+\]\.{re.escape(column)}(,|$)"
        assert any(re.search(place, problem.where) for problem in caught.value.problems), said(caught.value.problems)


def _csv_line(cells: list[str]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="").writerow(cells)
    return text.getvalue()


def _paths(data: Any, at: Path_) -> Iterator[Path_]:
    entries = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    for key, value in entries:
        yield (*at, key)
        yield from _paths(value, (*at, key))
