"""Environments to spoil: shipped ones as plain data, and what the model says about a changed copy."""

from __future__ import annotations

import copy
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

from foundation.errors import InputError, Problem
from foundation.places import CHECKOUT
from landing_zone.model.document import Document, read
from landing_zone.model.environment import Addressing, Environment
from landing_zone.model.loading import build

ENVIRONMENTS = CHECKOUT / "environments"
SHIPPED = ("lab", "ministry-agc", "national-cgc", "regional-dc")
REST = "rest"
"""A ministry of three tenants with every key that no shipped environment writes: where one has a default, with that."""


def shipped(name: str) -> Path:
    """The file of a shipped environment."""
    return ENVIRONMENTS / f"{name}.yaml"


@cache
def document(name: str) -> Document:
    """A shipped environment as a document, its register rows typed; or `REST`."""
    if name == REST:
        return changed("ministry-agc", _write_the_rest)
    found = read(shipped(name))
    build(found)
    found.rows.clear()
    return found


@cache
def environment(name: str) -> Environment:
    """A shipped environment."""
    return build(read(shipped(name)))


def changed(name: str, change: Callable[[Any], object]) -> Document:
    """A copy of a shipped environment after `change` was applied to its plain data."""
    original = document(name)
    data = copy.deepcopy(original.data)
    change(data)
    return Document(data, original.places, original.files)


def _write_the_rest(data: Any) -> None:
    data["country"] = "VN"
    data["regions"][0] |= {"cloud_region": "RegionOne", "resolvers": ["192.0.2.53", "2001:db8::53"]}
    data["addressing"] = {key: field.default for key, field in Addressing.model_fields.items()} | {"platform_zone_ipv4": 24}
    data["quota_profiles"][0] |= {"key_pairs": 20, "server_groups": 10}
    data["verification"]["forbidden_port"] = 9999
    data["retention"] = {"log_retention_days": 365, "backup_incremental_hours": 24, "backup_full_days": 7}
    data["recovery"] = {"rto_minutes": 480, "rpo_minutes": 1440, "dr_min_distance_km": 10}
    data["recovery"] |= {"restore_test_interval_days": 365, "drill_interval_days": 365}
    data["tenants"] = data["tenants"][4:]
    data["tenants"][0] |= {"regions": ["north", "south"], "contacts": data["contacts"][:1]}
    data["tenants"][2]["groups"][1]["projects"] = ["prod"]


def complaints(spoiled: Document) -> tuple[Problem, ...]:
    """The problems that the model finds; none when it accepts the document."""
    try:
        build(spoiled)
    except InputError as error:
        return error.problems
    return ()


def said(problems: tuple[Problem, ...]) -> str:
    """All problems as one text."""
    return "\n".join(map(str, problems))
