"""What the model says about itself: a JSON Schema for editors, and the reference page of every key."""

from __future__ import annotations

import json
import types
from collections.abc import Iterator
from typing import Any, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from landing_zone.model.environment import OVERRIDES, Environment
from landing_zone.model.fields import literals
from landing_zone.model.levels import LEVELS, figures, zones

_HEAD = """# Environment file: every key

Made from the model by `python -m landing_zone.documents`; do not edit. Editors check a file while you type when its first line is
`# yaml-language-server: $schema=schema/environment.json`; tell the editor about the tag `!include scalar`.

A file is YAML 1.2: only `true` and `false` are booleans, and text with a colon in it stands in quotes. Anchors (`&name`, `*name`, `<<`)
work. `!include FILE` takes a value from a file beside this one: `.yaml` gives its content, `.csv` one entry a row. A register in CSV has
its columns in its first line and commas between cells. A column named `name.vi` is the key `vi` of `name`, an empty cell leaves the key
out, and lists in cells are words with spaces between. Entries of an `!include` that stands in a list are added to that list.

`lz` reads the whole file and tells every problem at once, with file, line, key, value and cure, before anything is changed.
"""


def schema_text() -> str:
    """The JSON Schema of an environment file."""
    schema = Environment.model_json_schema(by_alias=True)
    tenants = schema["properties"]["tenants"]
    included = {"type": "string", "description": "!include FILE"}
    listed = {"type": "array", "items": {"anyOf": [tenants.pop("items"), included]}, "maxItems": tenants.pop("maxItems")}
    tenants.pop("type")
    tenants["anyOf"] = [listed, included]
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    schema["title"] = "Environment of the landing zone"
    return json.dumps(schema, indent=2, ensure_ascii=False, sort_keys=True) + "\n"


def reference_text() -> str:
    """The reference page: a table of keys for every mapping, the zones, and the figures of the levels."""
    parts = [_HEAD]
    for path, model in _models(Environment, "", set()):
        parts.append(f"\n## {path or 'The whole file'}\n\n{_first_line(model)}\n\n{_table(model)}")
    parts.append(_zones())
    parts.append(_figures())
    return "".join(parts)


def _models(model: type[BaseModel], path: str, seen: set[type[BaseModel]]) -> Iterator[tuple[str, type[BaseModel]]]:
    """Every mapping of a file, once, under the first path that leads to it."""
    seen.add(model)
    yield path, model
    for name, field in model.model_fields.items():
        inner, many = _inner(field.annotation)
        if inner is not None and inner not in seen:
            key = field.alias or name
            yield from _models(inner, f"{path}.{key}".lstrip(".") + ("[]" if many else ""), seen)


def _table(model: type[BaseModel]) -> str:
    rows = ["| key | value | needed | meaning |", "| --- | --- | --- | --- |"]
    schemas = model.model_json_schema(by_alias=True)["properties"]
    for name, field in model.model_fields.items():
        key = field.alias or name
        text = f"{field.description or ''}{_choices(field)}".replace("|", "\\|")
        rows.append(f"| `{key}` | {_kind(field, schemas[key])} | {_needed(field)} | {text} |")
    return "\n".join(rows) + "\n"


def _needed(field: FieldInfo) -> str:
    if field.is_required():
        return "yes"
    if field.default is PydanticUndefined or field.default in (None, ()):
        return "no"
    return f"no: `{field.default}`"


def _kind(field: FieldInfo, schema: dict[str, Any]) -> str:
    inner, many = _inner(field.annotation)
    if inner is not None:
        return "list of mappings" if many else "mapping"
    return _schema_kind(schema)


def _schema_kind(schema: dict[str, Any]) -> str:
    """A JSON Schema of a plain value in a few words."""
    options = [option for option in schema.get("anyOf", []) if option.get("type") != "null"]
    if options:
        return " or ".join(_schema_kind(option) for option in options)
    if "enum" in schema or "const" in schema:
        return _one_of(schema.get("enum", [schema.get("const")]))
    kind = schema.get("type", "")
    if kind == "array":
        return "list of " + _schema_kind(schema["items"])
    if kind in {"integer", "number"}:
        word = "number" if kind == "integer" else "decimal"
        return f"{word}, {schema.get('minimum', '')} to {schema.get('maximum', '')}"
    formats = {"ipv4network": "IPv4 prefix", "ipv6network": "IPv6 prefix"}
    pattern = schema.get("pattern")
    return f"text `{pattern}`".replace("|", "\\|") if pattern else formats.get(schema.get("format", ""), schema.get("title", "text"))


def _one_of(values: list[Any]) -> str:
    if values == [*zones()]:
        return "zone"
    return "word" if isinstance(values[0], str) else "number: " + ", ".join(map(str, values))


def _choices(field: FieldInfo) -> str:
    names = literals(field.annotation)
    if not names:
        return ""
    unnamed = [name for name in names if f"`{name}`" not in (field.description or "")]
    return f" One of {', '.join(f'`{name}`' for name in names)}." if unnamed else ""


def _inner(annotation: Any) -> tuple[type[BaseModel] | None, bool]:
    """The model of a mapping or of a list of mappings, and whether it is a list."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation, False
    if get_origin(annotation) is tuple:
        return _inner(get_args(annotation)[0])[0], True
    if get_origin(annotation) in (Union, types.UnionType):
        return next((found for part in get_args(annotation) if (found := _inner(part))[0]), (None, False))
    return None, False


def _first_line(model: type[BaseModel]) -> str:
    return (model.__doc__ or "").strip()


def _zones() -> str:
    rows = ["\n## Zones\n", "| zone | whose | from level | what stands in it |", "| --- | --- | --- | --- |"]
    rows += [f"| `{zone.name}` | {zone.scope} | {zone.from_level} | {zone.title} |" for zone in zones().values()]
    more = (
        "\nA zone of the tenants is one network for each tenant that uses it; a zone of the platform is one network for the region. An "
        "environment has the zones of its level and those that `zones` adds. Flows that no rule names are refused in both directions.\n"
    )
    return "\n".join(rows) + "\n" + more


def _figures() -> str:
    head = [
        "\n## Figures of the levels\n",
        f"| parameter | {' | '.join(f'level {level}' for level in LEVELS)} | an environment may set | source |",
    ]
    head.append("| --- |" + " --- |" * (len(LEVELS) + 2))
    may = {key: f"{figures()[key].better}: `{section}.{key}`" for section, model in OVERRIDES.items() for key in model.model_fields}
    rows = [
        f"| {figure.title} (`{figure.key}`) | {' | '.join('-' if value is None else str(value) for value in figure.values)} "
        f"| {may.get(figure.key, 'nothing else')} | {figure.source} |"
        for figure in figures().values()
    ]
    return "\n".join([*head, *rows]) + "\n"
