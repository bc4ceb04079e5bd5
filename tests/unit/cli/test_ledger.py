"""`lz ledger` on a copy of the lab's environment: what it shows, what it releases, and what it refuses."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from foundation.places import CHECKOUT
from landing_zone.cli import main
from landing_zone.engine.home import Home
from landing_zone.engine.opening import load_plan, stacks_of
from landing_zone.engine.stack import StackKey
from landing_zone.planners.ledger import Run
from landing_zone.planners.ledgerfile import load_ledger
from stacks.inputs import PROJECT

PORTAL = "\n  - code: portal\n"


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The lab's environment file with its ledger, of which `portal` has been removed; another one has been added."""
    monkeypatch.setenv("LZ_CACHE", str(tmp_path / "cache"))
    for name in ("lab.yaml", "lab.ledger.yaml"):
        shutil.copy(CHECKOUT / "environments" / name, tmp_path / name)
    path = tmp_path / "lab.yaml"
    before, _, _ = path.read_text().partition(PORTAL)
    path.write_text(f"{before}\n  - {{code: newly, dti_code: LAB-09, name: {{vi: Mới, en: New}}, level: 1}}\n")
    return path


def shown(file: Path, capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    assert main(["ledger", "show", "--env", str(file), "--json"]) == 0
    return {entry["tenant"]: entry for entry in json.loads(capsys.readouterr().out)}


def test_show_tells_what_is_in_use_new_and_retired(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = shown(file, capsys)
    assert {code: entry["state"] for code, entry in found.items()} == {
        "edu": "in use",
        "health": "in use",
        "newly": "new",
        "portal": "retired",
    }
    assert found["portal"]["prefixes"] == {
        "north": ["10.64.24.0/22", "fd64:6c7a:1:600::/56"],
        "south": ["10.65.24.0/22", "fd64:6c7a:2:600::/56"],
    }
    assert main(["ledger", "show", "--env", str(file)]) == 0
    assert "10.64.24.0/22 fd64:6c7a:1:600::/56" in capsys.readouterr().out


def test_a_released_prefix_goes_to_the_next_tenant(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert shown(file, capsys)["newly"]["start"] == 7
    assert main(["ledger", "release", "portal", "--env", str(file), "--yes"]) == 0
    assert "10.64.24.0/22" in capsys.readouterr().out
    assert load_ledger(file).retired == {}
    assert load_ledger(file).slots == {"edu": Run(4, 1), "health": Run(5, 1)}
    assert shown(file, capsys)["newly"]["start"] == 6


def refused(file: Path, capsys: pytest.CaptureFixture[str], tenant: str, *said: str) -> None:
    before = load_ledger(file)
    assert main(["ledger", "release", tenant, "--env", str(file), "--yes"]) == 2
    error = capsys.readouterr().err
    assert all(text in error for text in said), error
    assert load_ledger(file) == before


def test_release_refuses_what_is_in_use_and_what_it_does_not_know(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    refused(file, capsys, "edu", "tenant edu is in the environment", f"lz down --env {file} --tenant edu")
    refused(file, capsys, "nobody", "no former tenant 'nobody' has addresses", "retired are: portal")


def test_release_refuses_while_a_stack_stands(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    key = StackKey("lab", "south", "tenant-portal")
    stacks = Home.of("lab").backend / ".pulumi" / "stacks" / PROJECT
    stacks.mkdir(parents=True)
    (stacks / f"{key.name}.json").write_text("{}")
    assert stacks_of(load_plan("lab")).standing() == {key.name}
    refused(file, capsys, "portal", "stack lab.south.tenant-portal still stands")


def test_release_refuses_while_a_stack_of_the_real_environment_stands_also_by_the_name_of_its_rehearsal(
    file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file.write_text(file.read_text().replace("cloud: lab-", "cloud: real-"))
    stacks = Home.of("lab").backend / ".pulumi" / "stacks" / PROJECT
    stacks.mkdir(parents=True)
    (stacks / "lab.south.tenant-portal.json").write_text("{}")
    before = load_ledger(file)
    assert main(["ledger", "release", "portal", "--env", f"{file}@lab", "--yes"]) == 2
    assert "stack lab.south.tenant-portal still stands" in capsys.readouterr().err
    assert load_ledger(file) == before


def test_nothing_is_released_without_a_yes(file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("sys.stdin.isatty", lambda: False)
    before = load_ledger(file)
    assert main(["ledger", "release", "portal", "--env", str(file)]) == 2
    assert "nobody to ask" in capsys.readouterr().err
    assert load_ledger(file) == before
