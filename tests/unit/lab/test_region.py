"""What regions share before they are brought up: their secrets are read once, and clouds.yaml has whoever stands."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from lab import hostnet, region
from lab.machine import Machine
from lab.settings import REGIONS, Places


@pytest.fixture
def where(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Places:
    """Both regions are made; nothing of the machine that runs the test is touched."""
    monkeypatch.delattr(Machine, "destroy")
    monkeypatch.setattr(hostnet, "up", lambda region, others: None)
    where = Places(tmp_path)
    for entry in REGIONS.values():
        where.region(entry).mkdir(parents=True)
        (where.region(entry) / "made.json").touch()
    return where


def signed_in(where: Places) -> dict[str, str]:
    return {name: entry["auth"]["password"] for name, entry in yaml.safe_load(where.clouds.read_text())["clouds"].items()}


def test_a_region_that_is_asked_for_gets_secrets_that_stay(where: Places) -> None:
    first = region.lay_ground(where, [REGIONS["north"]])
    assert list(first) == ["north"]
    assert signed_in(where) == {"lab-north": first["north"]["admin"]}
    assert region.lay_ground(where, [REGIONS["north"]]) == first


def test_another_region_that_stands_stays_in_clouds_yaml(where: Places) -> None:
    both = region.lay_ground(where, list(REGIONS.values()))
    assert both["south"] == json.loads((where.region(REGIONS["south"]) / "secrets.json").read_text())
    assert region.lay_ground(where, [REGIONS["north"]]) == both
    assert signed_in(where) == {f"lab-{name}": values["admin"] for name, values in both.items()}
