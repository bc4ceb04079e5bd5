"""YAML and CSV files as plain data that remembers, for every value, the file and line it was written on.

YAML 1.2 scalars (only `true` and `false` are booleans, no octal or sexagesimal numbers), anchors and merge keys, and
`!include FILE` with a path beside the including file: a `.yaml` file gives its whole content, a `.csv` file one mapping a row.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import yaml
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from foundation.errors import InputError, Problem, raise_all

Path_ = tuple[str | int, ...]
_BASE: type[yaml.SafeLoader] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_LONGEST = 4 * 1024 * 1024
_MOST_VALUES = 2_000_000


@dataclass(frozen=True)
class Place:
    """A line of a file, counted from 1."""

    file: Path
    line: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}"


@dataclass
class Document:
    """`data` as read, and the place of each value by its path of keys and indexes.

    `files` are all files read, `rows` the paths of mappings that were rows of a CSV file, whose values are all text.
    """

    data: Any
    places: dict[Path_, Place] = field(default_factory=dict)
    files: list[Path] = field(default_factory=list)
    rows: set[Path_] = field(default_factory=set)

    def place(self, path: Path_) -> Place:
        """Where the value stands, or the nearest thing around it that was written down."""
        while path and path not in self.places:
            path = path[:-1]
        return self.places.get(path) or Place(self.files[0], 1)


class _Loader(_BASE):  # type: ignore[misc,valid-type]  # the C loader where PyYAML was built with it
    yaml_implicit_resolvers: ClassVar[dict[str, list[tuple[str, re.Pattern[str]]]]] = {}


def _resolve(tag: str, pattern: str, first: Iterable[str]) -> None:
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{tag}", re.compile(pattern), list(first))


_resolve("bool", r"^(?:true|True|TRUE|false|False|FALSE)$", "tTfF")
_resolve("null", r"^(?:~|null|Null|NULL|)$", ["~", "n", "N", ""])
_resolve("int", r"^[-+]?(?:0|[1-9][0-9]*)$", "-+0123456789")
_resolve("float", r"^[-+]?(?:0|[1-9][0-9]*)?\.[0-9]+(?:[eE][-+]?[0-9]+)?$|^[-+]?(?:0|[1-9][0-9]*)\.(?:[eE][-+]?[0-9]+)?$", "-+.0123456789")
_resolve("merge", r"^<<$", "<")


def read(path: Path) -> Document:
    """Read a YAML file with all that it includes. Raises InputError with every problem found."""
    reader = _Reader()
    reader.document.files.append(path)
    reader.document.data = reader.yaml_file(path, (), Place(path, 1), ())
    raise_all(reader.problems)
    return reader.document


class _Reader:
    def __init__(self) -> None:
        self.document = Document(None)
        self.problems: list[Problem] = []

    # -- files
    def _text(self, path: Path, asked: Place) -> str | None:
        try:
            if path.stat().st_size > _LONGEST:
                self.problems.append(
                    Problem(f"{path.name} is larger than {_LONGEST} bytes", str(asked), cure="split it, or name the right file")
                )
                return None
            return path.read_text(encoding="utf-8")
        except UnicodeDecodeError as error:
            self.problems.append(Problem(f"{path.name} is not UTF-8 text", str(path), str(error), "save it as UTF-8"))
        except OSError as error:
            why = error.strerror or str(error)
            self.problems.append(
                Problem(f"cannot read {path}", str(asked), why, "check the name; a path is taken from the folder of the file that names it")
            )
        return None

    def yaml_file(self, path: Path, at: Path_, asked: Place, above: tuple[Path, ...]) -> Any:
        text = self._text(path, asked)
        if text is None:
            return None
        try:
            loader = _Loader(text)
            try:
                node = loader.get_single_node()
            finally:
                loader.dispose()
        except yaml.MarkedYAMLError as error:
            line = error.problem_mark.line + 1 if error.problem_mark else 1
            why = " ".join(str(part) for part in (error.context, error.problem) if part)
            cure = "correct the YAML on this line or the one before it (indentation by spaces, quotes and brackets closed)"
            self.problems.append(Problem("not valid YAML", str(Place(path, line)), why, cure))
            return None
        except yaml.YAMLError as error:
            self.problems.append(Problem("not valid YAML", str(path), str(error), "remove the characters named"))
            return None
        if node is None:
            self.problems.append(
                Problem(f"{path.name} is empty", str(path), cure="write an environment into it, or let `lz init` write one")
            )
            return None
        return self._value(node, path, at, (*above, path), ())

    def csv_file(self, path: Path, at: Path_, asked: Place) -> list[dict[str, Any]] | None:
        """Rows by column name; empty cells are left out, so that defaults apply."""
        text = self._text(path, asked)
        if text is None:
            return None
        lines = csv.reader(text.lstrip("\ufeff").splitlines(keepends=True), strict=True)
        rows: list[dict[str, Any]] = []
        header: list[str] = []
        try:
            for cells in lines:
                place = Place(path, lines.line_num)
                if not cells or (cells[0].startswith("#")):
                    continue
                if not header:
                    header = [cell.strip() for cell in cells]
                    for name in sorted({name for name in header if header.count(name) > 1}):
                        self.problems.append(Problem(f"column {name!r} stands twice", str(place), cure="keep one of them"))
                    continue
                if len(cells) != len(header):
                    why = f"the head line has {len(header)} columns"
                    self.problems.append(
                        Problem(
                            f"a row of {len(cells)} cells", str(place), why, "give every column one cell; quote a cell with a comma in it"
                        )
                    )
                    continue
                rows.append(self._row(header, cells, (*at, len(rows)), place))
        except csv.Error as error:
            self.problems.append(Problem("not valid CSV", str(Place(path, lines.line_num)), str(error), "close the quotes on this line"))
        return rows

    def _row(self, header: list[str], cells: list[str], at: Path_, place: Place) -> dict[str, Any]:
        """One row; a column named `name.vi` is the key `vi` of the mapping `name`."""
        row: dict[str, Any] = {}
        self.document.rows.add(at)
        self.document.places[at] = place
        for column, cell in zip(header, cells, strict=True):
            keys = column.split(".")
            inner = row
            for depth, key in enumerate(keys, start=1):
                self.document.places[(*at, *keys[:depth])] = place
                if depth < len(keys):
                    inner = inner.setdefault(key, {}) if isinstance(inner.get(key, {}), dict) else {}
            if cell.strip():
                inner[keys[-1]] = cell.strip()
        return row

    # -- nodes
    def _value(self, node: Node, file: Path, at: Path_, above: tuple[Path, ...], open_nodes: tuple[int, ...]) -> Any:
        self.document.places.setdefault(at, Place(file, node.start_mark.line + 1))
        if len(self.document.places) > _MOST_VALUES:
            raise InputError(Problem(f"more than {_MOST_VALUES} values", str(Place(file, 1)), "aliases multiply them", "use fewer aliases"))
        if id(node) in open_nodes:
            place = Place(file, node.start_mark.line + 1)
            self.problems.append(Problem("an anchor that contains itself", str(place), cure="remove the alias from within its own anchor"))
            return None
        inside = (*open_nodes, id(node))
        if node.tag == "!include":
            return self._include(node, file, at, above)
        if isinstance(node, MappingNode):
            return self._mapping(node, file, at, above, inside)
        if isinstance(node, SequenceNode):
            return [self._value(child, file, (*at, index), above, inside) for index, child in enumerate(node.value)]
        return self._scalar(node, node.value, file)

    def _scalar(self, node: Node, text: str, file: Path) -> Any:
        match node.tag.removeprefix("tag:yaml.org,2002:"):
            case "str" | "merge":
                return text
            case "int":
                return int(text)
            case "float":
                return float(text)
            case "bool":
                return text.lower() == "true"
            case "null":
                return None
        place = Place(file, node.start_mark.line + 1)
        self.problems.append(Problem(f"unknown tag {node.tag}", str(place), cure="the only tag is !include FILE"))
        return None

    def _mapping(self, node: MappingNode, file: Path, at: Path_, above: tuple[Path, ...], inside: tuple[int, ...]) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for base in self._bases(node, file, inside):
            for key, value in self._mapping(base, file, at, above, (*inside, id(base))).items():
                found.setdefault(key, value)
        lines: dict[str, int] = {}
        for key_node, value_node in node.value:
            line = key_node.start_mark.line + 1
            if key_node.tag.endswith(":merge"):
                continue
            if not isinstance(key_node, ScalarNode):
                self.problems.append(Problem("a key that is not plain text", str(Place(file, line)), cure="write keys as words"))
                continue
            key = key_node.value
            if key in lines:
                why = f"line {lines[key]} has it already"
                self.problems.append(Problem(f"the key {key!r} stands twice", str(Place(file, line)), why, "keep one of them"))
                continue
            lines[key] = line
            self.document.places[(*at, key)] = Place(file, line)
            found[key] = self._value(value_node, file, (*at, key), above, inside)
        return found

    def _bases(self, node: MappingNode, file: Path, inside: tuple[int, ...]) -> Iterator[MappingNode]:
        """The mappings that `<<` merges into this one."""
        merged = (value for key, value in node.value if key.tag.endswith(":merge"))
        for base in (each for value in merged for each in (value.value if isinstance(value, SequenceNode) else [value])):
            if isinstance(base, MappingNode) and id(base) not in inside:
                yield base
                continue
            place = Place(file, base.start_mark.line + 1)
            cure = "write `<<: *ANCHOR` with the anchor of a mapping"
            self.problems.append(Problem("`<<` with something that is not another mapping", str(place), cure=cure))

    def _include(self, node: Node, file: Path, at: Path_, above: tuple[Path, ...]) -> Any:
        place = Place(file, node.start_mark.line + 1)
        if not isinstance(node, ScalarNode) or not node.value.strip():
            self.problems.append(
                Problem("!include without a file name", str(place), cure="write `!include FILE.yaml` or `!include FILE.csv`")
            )
            return None
        target = file.parent / node.value.strip()
        if target.resolve() in {path.resolve() for path in above}:
            self.problems.append(Problem(f"{target.name} includes itself", str(place), cure="remove this !include"))
            return None
        self.document.files.append(target)
        if target.suffix == ".csv":
            return self.csv_file(target, at, place)
        if target.suffix in {".yaml", ".yml"}:
            self.document.places.pop(at, None)
            return self.yaml_file(target, at, place, above)
        self.problems.append(
            Problem(f"cannot include {target.name}", str(place), f"unknown kind {target.suffix!r}", "include a .yaml or a .csv file")
        )
        return None


__all__ = ["Document", "InputError", "Path_", "Place", "read"]
