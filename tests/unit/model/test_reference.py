"""What the model says about itself: every key explained, a schema that fits the shipped files."""

from __future__ import annotations

import json
import re
from typing import Any, get_args

import pytest
import yaml
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]
from pydantic import BaseModel

from foundation.places import CHECKOUT
from landing_zone.model.environment import Environment, QuotaProfile, Recovery, Retention, Tenant
from landing_zone.model.levels import LEVELS, figures, zones, zones_of
from landing_zone.model.reference import reference_text, schema_text
from tests.unit.model.support import SHIPPED, changed, document, environment, shipped
from tests.unit.model.test_mutations import SPOILED, one_of_each

SCHEMA = Draft202012Validator(json.loads(schema_text()))


def models() -> set[type[BaseModel]]:
    found: set[type[BaseModel]] = set()

    def walk(annotation: Any) -> None:
        if isinstance(annotation, type) and issubclass(annotation, BaseModel) and annotation not in found:
            found.add(annotation)
            for field in annotation.model_fields.values():
                walk(field.annotation)
        for inner in get_args(annotation):
            walk(inner)

    walk(Environment)
    return found


def test_every_key_is_explained_in_the_field_and_on_the_page() -> None:
    page = reference_text()
    for model in models():
        assert (model.__doc__ or "").strip() in page
        for name, field in model.model_fields.items():
            assert field.description, f"{model.__name__}.{name}"
            assert field.description.endswith("."), f"{model.__name__}.{name}"
            assert f"| `{field.alias or name}` |" in page
            assert field.description.replace("|", "\\|") in page


def test_every_model_forbids_other_keys() -> None:
    assert all(model.model_config.get("extra") == "forbid" and model.model_config.get("frozen") for model in models())


def test_the_page_has_every_zone_and_every_figure_with_its_source() -> None:
    page = reference_text()
    assert all(f"| `{zone}` |" in page for zone in zones())
    assert all(figure.title in page and figure.source in page for figure in figures().values())


@pytest.mark.parametrize("name", SPOILED)
def test_the_schema_takes_what_the_model_takes(name: str) -> None:
    assert [error.message for error in SCHEMA.iter_errors(document(name).data)] == []


@pytest.mark.parametrize("name", SHIPPED)
def test_the_schema_takes_files_as_they_are_written(name: str) -> None:
    """An editor that knows `!include scalar` has a text there."""

    class Editor(yaml.SafeLoader):
        pass

    Editor.add_constructor("!include", lambda _, node: node.value)
    assert [error.message for error in SCHEMA.iter_errors(yaml.load(shipped(name).read_text(), Editor))] == []


@pytest.mark.parametrize("name", SPOILED)
def test_the_schema_refuses_missing_keys_strange_keys_and_wrong_types(name: str) -> None:
    """Where a text may stand for a file that is included, or nothing for a key that may be left out, only the model tells more."""
    spoiled = [one for one in one_of_each(name) if one.kind in ("missing", "unknown", "wrong type")]
    told = [one for one in spoiled if (one.value is not None and one.key not in ("tenants", "tenants[]")) or one.kind == "missing"]
    assert len(told) > 100
    assert [str(one) for one in told if SCHEMA.is_valid(changed(name, one.apply).data)] == []


def test_levels_never_get_weaker_upwards() -> None:
    for figure in figures().values():
        values = [value for value in figure.values if value is not None]
        assert len(figure.values) == 5
        assert values == sorted(values, reverse=figure.better == "less"), figure.key
        assert figure.source


def test_the_page_says_of_a_figure_that_it_may_be_set_where_there_is_a_key_for_it() -> None:
    table = reference_text().partition("## Figures of the levels")[2]
    rows = {key: row for row in table.splitlines() for key in re.findall(r"^\| [^|]+ \(`(\w+)`\) \|", row)}
    assert rows.keys() == figures().keys()
    for section, model in (("retention", Retention), ("recovery", Recovery)):
        for key in model.model_fields:
            assert f" {figures()[key].better}: `{section}.{key}` |" in rows.pop(key)
    assert [row for row in rows.values() if "| nothing else |" not in row] == []


def test_a_figure_that_nothing_is_made_or_refused_by_is_told_to_be_written_down_only() -> None:
    """Those that a file may override are told there as `retention` and `recovery`; of zones the next test speaks."""
    keys = {*Retention.model_fields, *Recovery.model_fields, "min_network_zones"}
    code = "".join(path.read_text(encoding="utf-8") for path in (CHECKOUT / "landing_zone").rglob("*.py"))
    idle = {key for key in figures().keys() - keys if f'"{key}"' not in code}
    told = (CHECKOUT / "docs/not-tried.md").read_text(encoding="utf-8")
    assert {key for key in figures() if f"`{key}`" in told} == idle
    assert {control for key in idle if (control := figures()[key].control) not in told} == set()


def test_every_level_has_as_many_zones_as_it_asks_for() -> None:
    for level in range(1, 6):
        figure = figures()["min_network_zones"].at(level)
        assert figure is not None
        assert len(zones_of(level)) >= figure
    for scope in ("platform", "tenant"):
        slots = [zone.slot for zone in zones().values() if zone.scope == scope]
        assert len(slots) == len(set(slots))
        assert max(slots) < 8


@pytest.mark.parametrize(("key", "level", "value", "allowed"), [
    ("log_retention_days", 3, 365, True),
    ("log_retention_days", 3, 364, False),
    ("log_retention_days", 3, 400, True),
    ("rto_minutes", 4, 240, True),
    ("rto_minutes", 4, 241, False),
    ("rto_minutes", 4, 60, True),
    ("rto_minutes", 1, 99999, True),
])  # fmt: skip
def test_a_figure_may_only_be_overridden_towards_the_safer_side(key: str, level: int, value: int, allowed: bool) -> None:
    assert figures()[key].allows(level, value) is allowed


def test_overrides_count_where_they_are_stricter() -> None:
    regional = environment("regional-dc")
    assert (regional.figure("rto_minutes"), regional.figure("rpo_minutes")) == (240, 1440)
    assert regional.figure("rto_minutes", 5) == 60
    with pytest.raises(KeyError):
        regional.figure("no_such_parameter")


@pytest.mark.parametrize(
    ("model", "key", "figure"),
    [
        (QuotaProfile, "secrets", "encrypted_volumes"),
        (Tenant, "regions", "second_region"),
        (Environment, "federation", "federated_sign_on"),
    ],
)
def test_a_level_that_is_named_in_words_is_the_one_of_the_figures(model: type[BaseModel], key: str, figure: str) -> None:
    first = next(level for level in LEVELS if figures()[figure].at(level))
    assert re.findall(r"from level (\d)", model.model_fields[key].description or "") == [str(first)]


def test_no_other_key_names_a_level() -> None:
    named = {key for model in models() for key, field in model.model_fields.items() if re.search(r"level \d", field.description or "")}
    assert named == {"secrets", "regions", "federation"}
