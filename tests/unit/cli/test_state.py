"""`lz state backup`: what keeps one region from being copied keeps no other, and all of it is told."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest.mock import MagicMock

import pytest
from openstack.connection import Connection
from openstack.exceptions import HttpException

from foundation.errors import Problem
from landing_zone.cli import main
from landing_zone.engine import checkpoints, clouds
from landing_zone.engine.clouds import Cloud
from landing_zone.engine.home import Home
from landing_zone.engine.stores.folder import Folder
from tests.support.objects import Objects

ALL = ["state", "backup", "--env", "lab", "--json"]
DOWN = Problem("the cloud does not answer", "cloud lab-south")
Told = Callable[[], tuple[Any, str]]


@pytest.fixture
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Objects]:
    """The object stores of the regions that answer, by region; the copies of each region lie in the other one."""
    monkeypatch.setenv("LZ_CACHE", str(tmp_path))
    found = {"north": Objects(), "south": Objects()}

    def tried(regions: Any, *_: Any, **__: Any) -> dict[str, Any]:
        return {name: MagicMock(spec=Connection, object_store=found[name]) if name in found else DOWN for name, _ in regions}

    monkeypatch.setattr(clouds, "find", lambda names: {name: Cloud(name, "https://cloud.example/v3", None) for name in names})
    monkeypatch.setattr(clouds, "try_each", tried)
    return found


@pytest.fixture
def told(capsys: pytest.CaptureFixture[str]) -> Told:
    """What was said since: the document, and standard error."""

    def read() -> tuple[Any, str]:
        said = capsys.readouterr()
        return json.loads(said.out), said.err

    return read


def state_of(*regions: str) -> None:
    for region in regions:
        Folder(Home.of("lab").backend).write(checkpoints.checkpoint(f"lab.{region}.identity"), checkpoints.empty("x"))


def test_a_region_without_state_is_told_and_the_other_is_copied(places: dict[str, Objects], told: Told) -> None:
    state_of("south")
    assert main(ALL) == 0
    document, said = told()
    assert [(copy["region"], copy["in"]) for copy in document] == [("south", "north")]
    assert "region north has no state" in said
    assert places["north"].content
    assert not places["south"].content


@pytest.mark.parametrize("asked", [[], ["--region", "north"]])
def test_without_any_state_nothing_is_copied(places: dict[str, Objects], told: Told, asked: list[str]) -> None:
    state_of(*(["south"] if asked else []))
    assert main([*ALL, *asked]) == 2
    assert "there is no state of region north" in told()[0]["problems"][0]["what"]
    assert not any(each.content for each in places.values())


def test_a_region_that_is_down_keeps_no_other_from_being_copied(places: dict[str, Objects], told: Told) -> None:
    state_of("north", "south")
    del places["south"]
    assert main(ALL) == 1
    document, said = told()
    assert [copy["region"] for copy in document] == ["south"]
    assert "the copies of region north cannot be reached: the cloud does not answer" in said
    assert places["north"].content
    assert main([*ALL, "--list"]) == 1
    assert told()[0] == document


def test_for_people_the_table_comes_before_the_error(places: dict[str, Objects], capsys: pytest.CaptureFixture[str]) -> None:
    state_of("north", "south")
    del places["south"]
    assert main(ALL[:-1]) == 1
    said = capsys.readouterr()
    assert [line.split()[:2] for line in said.out.splitlines()[1:2]] == [["south", "north"]]
    assert "The passphrase is not in them" in said.out
    assert "error: the copies of region north cannot be reached" in said.err


@pytest.mark.parametrize("wrong", ["it fails", "others may read it"])
def test_an_object_store_that_fails_keeps_no_other_from_its_copy(
    places: dict[str, Objects], told: Told, monkeypatch: pytest.MonkeyPatch, wrong: str
) -> None:
    state_of("north", "south")
    places["south"].reader = ".r:*"
    if wrong == "it fails":
        monkeypatch.setattr(places["south"], "create_container", MagicMock(side_effect=HttpException("503")))
    assert main(ALL) == 1
    document, said = told()
    assert [copy["region"] for copy in document] == ["south"]
    assert ("the object store of region south" if wrong == "it fails" else "others may read") in said
    assert "lab-state-north" in said


def test_where_no_place_can_be_reached_nothing_was_changed(places: dict[str, Objects], told: Told) -> None:
    state_of("north", "south")
    places.clear()
    assert main(ALL) == 2
    assert len(told()[0]["problems"]) == 2
