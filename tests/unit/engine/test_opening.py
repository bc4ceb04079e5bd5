"""A state is about the cloud that answers: that of an earlier lab is put aside, that of another cloud is refused."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import MagicMock

import pytest

from foundation.errors import InputError, Problem
from foundation.places import CHECKOUT
from landing_zone.engine import checkpoints, clouds, opening
from landing_zone.engine.clouds import Cloud
from landing_zone.engine.home import Home
from landing_zone.engine.opening import check_state, load_plan
from landing_zone.engine.runs import Run
from landing_zone.engine.stack import Stacks
from landing_zone.engine.stores.folder import Folder
from landing_zone.planners.ledgerfile import load_ledger, save_ledger
from tests.unit.engine.support import plan

DOMAIN = {"type": "openstack:identity/project:Project", "id": "d-1", "inputs": {"name": "lab-edu", "isDomain": True}}
STACKS = {
    "lab.north.identity": [DOMAIN],
    "lab.north.network": [],
    "lab.north.tenant-gone": [],
    "lab.south.identity": [{**DOMAIN, "id": "d-2"}],
}


@pytest.fixture
def run(run: Run) -> Run:
    """One with states in a folder: of two regions, each with one domain."""
    home = run.stacks.home
    stacks = Stacks(home, Folder(home.backend))
    for name, resources in STACKS.items():
        data = json.dumps({"version": 3, "checkpoint": {"latest": {"resources": resources}}})
        stacks.store.write(checkpoints.checkpoint(name), data.encode())
    return replace(run, stacks=stacks, say=MagicMock())


def cloud(*domains: str) -> Any:
    """A connection to a cloud that has these domains."""
    connection = MagicMock()
    connection.identity.find_domain = lambda wanted, ignore_missing: wanted if wanted in domains else None
    return connection


def answered(run: Run, **connections: Any) -> Run:
    """The run with what answers in each region."""
    return replace(run, connections=connections)


def aside(home: Home) -> dict[str, Any]:
    """What was put aside, by file."""
    return {file.name: json.loads(file.read_text()) for file in home.root.glob("aside/*/*")}


def test_the_state_of_a_cloud_that_still_stands_is_left_alone(run: Run) -> None:
    check_state(answered(run, north=cloud("d-1"), south=cloud("d-2")), ())
    assert run.stacks.standing() == set(STACKS)
    assert aside(run.stacks.home) == {}


def test_the_state_of_an_earlier_lab_is_put_aside_and_kept(run: Run) -> None:
    check_state(answered(run, north=cloud(), south=cloud("d-2")), ())
    assert run.stacks.standing() == {"lab.south.identity"}
    kept = aside(run.stacks.home)
    assert set(kept) == {"lab.north.identity.json", "lab.north.network.json", "lab.north.tenant-gone.json"}
    assert kept["lab.north.identity.json"]["checkpoint"]["latest"]["resources"] == [DOMAIN]
    said = run.say
    assert isinstance(said, MagicMock)
    said.assert_called_once_with("region north: the lab was made anew since the last run; the old state was put aside")


@pytest.mark.parametrize("stage", ["test", "production"])
def test_anywhere_else_it_is_refused_and_nothing_is_put_aside(run: Run, stage: Any) -> None:
    run.plan = replace(plan(), stage=stage)
    with pytest.raises(InputError, match="about another cloud than the one that answers") as caught:
        check_state(answered(run, north=cloud()), ())
    (problem,) = caught.value.problems
    assert "cloud lab-north" in problem.where
    assert str(run.stacks.home.root) in problem.where
    assert "lab-edu" in problem.why
    assert "docs/operations.md" in problem.cure
    assert run.stacks.standing() == set(STACKS)
    assert aside(run.stacks.home) == {}


def test_the_states_of_both_regions_are_kept(run: Run) -> None:
    check_state(answered(run, north=cloud(), south=cloud()), ())
    assert set(aside(run.stacks.home)) == {f"{name}.json" for name in STACKS}


def test_a_region_is_asked_for_by_the_name_that_its_cloud_has_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    planned = load_plan("lab")
    there = replace(planned.regions["north"], cloud_region="RegionOne")
    asked: list[tuple[list[tuple[str, str]], Mapping[str, str]]] = []

    def tried(regions: Iterable[tuple[str, Cloud]], called: Mapping[str, str], *, once: bool) -> dict[str, Problem]:
        asked.append(([(name, cloud.name) for name, cloud in regions], called))
        return {"north": Problem("no answer")}

    monkeypatch.setattr(clouds, "find", lambda names: {name: Cloud(name, "https://cloud.example", None) for name in names})
    monkeypatch.setattr(clouds, "try_each", tried)
    assert opening.reach(replace(planned, regions={**planned.regions, "north": there}), ["north"]).problems == {
        "north": Problem("no answer")
    }
    assert asked == [([("north", "lab-north")], {"north": "RegionOne"})]


def test_an_environment_whose_regions_have_the_names_of_the_labs_in_another_order_is_rehearsed_too(tmp_path: Path) -> None:
    text = (CHECKOUT / "environments" / "ministry-agc.yaml").read_text()
    path = tmp_path / "swapped.yaml"
    path.write_text(re.sub("north|south", lambda found: {"north": "south", "south": "north"}[found[0]], text))
    save_ledger(path, load_plan(str(path)).ledger)
    assert load_plan(f"{path}@lab").ledger.slots == load_ledger(path).slots
