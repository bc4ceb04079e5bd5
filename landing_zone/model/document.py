"""YAML and CSV files as plain data that remembers, for every value, the file and line it was written on.

YAML 1.2 scalars (only `true` and `false` are booleans, no octal or sexagesimal numbers), anchors and merge keys, and
`!include FILE` with a path beside the including file: a `.yaml` file gives its whole content, a `.csv` file a list with one mapping a
row. An `!include` that stands in a list and gives a list adds its entries to that list.
"""

from __future__ import annotations

import csv
import re
import unicodedata
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
_MOST_VALUES = 500_000
_DEEPEST = 40
_INCLUDE = "!include"
_COMMAS = "separate them by commas; spreadsheets offer it when they save as CSV, and take the system's list separator else"


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

    `files` are all files read, `rows` the paths of mappings that were rows of a CSV file, whose values are all text, with the
    columns that the file has.
    """

    data: Any
    places: dict[Path_, Place] = field(default_factory=dict)
    files: list[Path] = field(default_factory=list)
    rows: dict[Path_, tuple[str, ...]] = field(default_factory=dict)

    def place(self, path: Path_) -> Place:
        """Where the value stands, or the nearest thing around it that was written down."""
        while path and path not in self.places:
            path = path[:-1]
        return self.places.get(path) or Place(self.files[0], 1)


def read(path: Path) -> Document:
    """Read a YAML file with all that it includes. Raises InputError with every problem found."""
    reader = _Reader()
    whole = reader.yaml_file(path, Place(path, 1), ())
    raise_all(reader.problems)
    document = Document(None, files=reader.files)
    document.data = _settle(whole, (), document)
    return document


def number(text: str, kind: type[int] | type[float]) -> int | float | str:
    """The number that a text is. What is none stays text: the model refuses it where a number is asked for, and knows its key."""
    try:
        return kind(text)
    except ValueError:  # also from Python's own limit of digits
        return text


@dataclass
class _Written:
    """A value, a list or mapping of such, and where it stands; `row`: it was a row of a CSV file with these columns."""

    value: Any
    place: Place
    row: tuple[str, ...] = ()


def _settle(written: _Written, path: Path_, document: Document) -> Any:
    """Plain data of what was written, with all places put into `document`."""
    document.places[path] = written.place
    if written.row:
        document.rows[path] = written.row
    if isinstance(written.value, dict):
        return {key: _settle(inner, (*path, key), document) for key, inner in written.value.items()}
    if isinstance(written.value, list):
        return [_settle(inner, (*path, index), document) for index, inner in enumerate(written.value)]
    return written.value


class _Loader(_BASE):  # type: ignore[misc,valid-type]  # the C loader where PyYAML was built with it
    yaml_implicit_resolvers: ClassVar[dict[str, list[tuple[str, re.Pattern[str]]]]] = {}


def _resolve(tag: str, pattern: str, first: Iterable[str]) -> None:
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{tag}", re.compile(pattern), list(first))


_resolve("bool", r"^(?:true|True|TRUE|false|False|FALSE)$", "tTfF")
_resolve("null", r"^(?:~|null|Null|NULL|)$", ["~", "n", "N", ""])
_resolve("int", r"^[-+]?(?:0|[1-9][0-9]*)$", "-+0123456789")
_resolve("float", r"^[-+]?(?:0|[1-9][0-9]*)?\.[0-9]+(?:[eE][-+]?[0-9]+)?$|^[-+]?(?:0|[1-9][0-9]*)\.(?:[eE][-+]?[0-9]+)?$", "-+.0123456789")
_resolve("merge", r"^<<$", "<")


def _too_deep(text: str) -> int:
    """The line on which YAML text is nested deeper than anything sensible, 0 if nowhere: the parser itself would crash there."""
    depth = 0
    for event in yaml.parse(text, Loader=_Loader):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        if depth > _DEEPEST:
            return event.start_mark.line + 1 if event.start_mark else 1
    return 0


class _Reader:
    """Reads files into `_Written`; collects problems and goes on."""

    def __init__(self) -> None:
        self.files: list[Path] = []
        self.problems: list[Problem] = []
        self.values = 0

    # -- files
    def _wrong(self, what: str, place: Place, why: str = "", cure: str = "") -> _Written:
        self.problems.append(Problem(what, str(place), why, cure))
        return _Written(None, place)

    def _text(self, path: Path, asked: Place) -> str | None:
        self.files.append(path)
        try:
            if path.stat().st_size > _LONGEST:
                self._wrong(f"{path.name} is larger than {_LONGEST} bytes", asked, cure="split it, or name the right file")
                return None
            return unicodedata.normalize("NFC", path.read_text(encoding="utf-8"))  # marks apart from their letters look the same
        except UnicodeDecodeError as error:
            self._wrong(f"{path.name} is not UTF-8 text", Place(path, 1), str(error), "save it as UTF-8")
        except OSError as error:
            cure = "check the name; a path is taken from the folder of the file that names it"
            self._wrong(f"cannot read {path}", asked, error.strerror or str(error), cure)
        return None

    def yaml_file(self, path: Path, asked: Place, above: tuple[Path, ...]) -> _Written:
        """The content of a YAML file that `asked` names; `above` are the files that it is included from."""
        text = self._text(path, asked)
        if text is None:
            return _Written(None, asked)
        try:
            too_deep = _too_deep(text)
            if too_deep:
                return self._wrong(f"nested more than {_DEEPEST} deep", Place(path, too_deep), cure="close the brackets, or indent less")
            loader = _Loader(text)
            try:
                node = loader.get_single_node()
            finally:
                loader.dispose()
        except yaml.MarkedYAMLError as error:
            line = error.problem_mark.line + 1 if error.problem_mark else 1
            why = " ".join(str(part) for part in (error.context, error.problem) if part)
            cure = "correct the YAML on this line or the one before it (indentation by spaces, quotes and brackets closed)"
            return self._wrong("not valid YAML", Place(path, line), why, cure)
        except yaml.YAMLError as error:
            return self._wrong("not valid YAML", Place(path, 1), str(error), "remove the characters named")
        if node is None:
            return self._wrong(f"{path.name} is empty", Place(path, 1), cure="write an environment into it, or let `lz init` write one")
        return _Nodes(self, path, (*above, path)).value(node, ())

    def csv_file(self, path: Path, asked: Place) -> _Written:
        """Rows by column name; empty cells are left out, so that defaults apply, and so are empty rows and columns without a name.

        Lines that begin with # are comments.
        """
        text = self._text(path, asked)
        rows = _Written([], Place(path, 1))
        lines = csv.reader((text or "").lstrip("\ufeff").splitlines(keepends=True), strict=True)
        header: list[str] = []
        try:
            for cells in lines:
                place = Place(path, lines.line_num)
                if not any(cell.strip() for cell in cells) or cells[0].startswith("#"):
                    continue
                if not header:
                    header = [cell.strip() for cell in cells]
                    if len(header) == 1 and (other := next((each for each in ";\t" if each in header[0]), None)):
                        return self._wrong(f"cells are separated by {other!r}", place, f"the head line is {header[0]!r}", _COMMAS)
                    for name in sorted({name for name in header if name and header.count(name) > 1}):
                        self._wrong(f"column {name!r} stands twice", place, cure="keep one of them")
                elif len(cells) != len(header):
                    cure = "give every column one cell; quote a cell with a comma in it"
                    self._wrong(f"a row of {len(cells)} cells", place, f"the head line has {len(header)} columns", cure)
                else:
                    rows.value.append(_row(header, cells, place))
        except csv.Error as error:
            self._wrong("not valid CSV", Place(path, lines.line_num), str(error), "close the quotes on this line")
        if text is not None and not header:
            self._wrong(f"{path.name} has no head line", Place(path, 1), cure="write the names of the columns into its first line")
        return rows


def _row(header: list[str], cells: list[str], place: Place) -> _Written:
    """One row; a column named `name.vi` is the key `vi` of the mapping `name`."""
    row = _Written({}, place, tuple(header))
    for column, cell in zip(header, cells, strict=True):
        inner = row
        *outer, last = column.split(".")
        for key in outer:
            inner = inner.value.setdefault(key, _Written({}, place))
        if cell.strip() and isinstance(inner.value, dict):
            inner.value[last] = _Written(cell.strip(), place)
    return row


@dataclass
class _Nodes:
    """Turns the nodes of one file into `_Written`."""

    reader: _Reader
    file: Path
    above: tuple[Path, ...]

    def value(self, node: Node, inside: tuple[int, ...]) -> _Written:
        """The value of a node; `inside` are the nodes around it, to notice an alias within its own anchor."""
        place = self._place(node)
        self.reader.values += 1
        if self.reader.values > _MOST_VALUES:
            raise InputError(Problem(f"more than {_MOST_VALUES} values", str(place), "aliases multiply them", "use fewer aliases"))
        if len(inside) > _DEEPEST:
            return self._wrong(f"nested more than {_DEEPEST} deep", place, "by aliases", "use fewer aliases within anchors")
        if id(node) in inside:
            return self._wrong("an anchor that contains itself", place, cure="remove the alias from within its own anchor")
        if node.tag == _INCLUDE:
            return self._include(node, place)
        around = (*inside, id(node))
        if isinstance(node, MappingNode):
            return self._mapping(node, place, around)
        if isinstance(node, SequenceNode):
            return self._sequence(node, place, around)
        return self._scalar(node, place)

    def _place(self, node: Node) -> Place:
        return Place(self.file, node.start_mark.line + 1)

    def _wrong(self, what: str, place: Place, why: str = "", cure: str = "") -> _Written:
        return self.reader._wrong(what, place, why, cure)

    def _scalar(self, node: Node, place: Place) -> _Written:
        text: str = node.value
        match node.tag.removeprefix("tag:yaml.org,2002:"):
            case "str" | "merge":
                return _Written(text, place)
            case "int":
                return _Written(number(text, int), place)
            case "float":
                return _Written(number(text, float), place)
            case "bool":
                return _Written(text.lower() == "true", place)
            case "null":
                return _Written(None, place)
        return self._wrong(f"unknown tag {node.tag}", place, cure=f"the only tag is {_INCLUDE} FILE")

    def _sequence(self, node: SequenceNode, place: Place, around: tuple[int, ...]) -> _Written:
        entries: list[_Written] = []
        for child in node.value:
            entry = self.value(child, around)
            if child.tag == _INCLUDE and isinstance(entry.value, list):
                entries.extend(entry.value)
            else:
                entries.append(entry)
        return _Written(entries, place)

    def _mapping(self, node: MappingNode, place: Place, around: tuple[int, ...]) -> _Written:
        found: dict[str, _Written] = {}
        for base in self._bases(node, around):
            for key, inner in self._mapping(base, place, (*around, id(base))).value.items():
                found.setdefault(key, inner)
        lines: dict[str, int] = {}
        for key_node, value_node in node.value:
            here = self._place(key_node)
            if key_node.tag.endswith(":merge"):
                continue
            if not isinstance(key_node, ScalarNode):
                self._wrong("a key that is not plain text", here, cure="write keys as words")
                continue
            key = key_node.value
            if key in lines:
                self._wrong(f"the key {key!r} stands twice", here, f"line {lines[key]} has it already", "keep one of them")
                continue
            lines[key] = here.line
            inner = self.value(value_node, around)
            found[key] = inner if inner.place.file != self.file else _Written(inner.value, here, inner.row)
        return _Written(found, place)

    def _bases(self, node: MappingNode, around: tuple[int, ...]) -> Iterator[MappingNode]:
        """The mappings that `<<` merges into this one."""
        merged = (value for key, value in node.value if key.tag.endswith(":merge"))
        for base in (each for value in merged for each in (value.value if isinstance(value, SequenceNode) else [value])):
            if isinstance(base, MappingNode) and id(base) not in around:
                yield base
                continue
            cure = "write `<<: *ANCHOR` with the anchor of a mapping"
            self._wrong("`<<` with something that is not another mapping", self._place(base), cure=cure)

    def _include(self, node: Node, place: Place) -> _Written:
        if not isinstance(node, ScalarNode) or not node.value.strip():
            cure = f"write `{_INCLUDE} FILE.yaml` or `{_INCLUDE} FILE.csv`"
            return self._wrong(f"{_INCLUDE} without a file name", place, cure=cure)
        target = self.file.parent / node.value.strip()
        if len(self.above) > _DEEPEST:
            return self._wrong(f"more than {_DEEPEST} files include each other", place, cure=f"remove this {_INCLUDE}")
        if target.resolve() in {path.resolve() for path in self.above}:
            return self._wrong(f"{target.name} includes itself", place, cure=f"remove this {_INCLUDE}")
        if target.suffix == ".csv":
            return self.reader.csv_file(target, place)
        if target.suffix in {".yaml", ".yml"}:
            return self.reader.yaml_file(target, place, self.above)
        return self._wrong(f"cannot include {target.name}", place, f"unknown kind {target.suffix!r}", "include a .yaml or a .csv file")
