"""`lz inventory`: what Nova says, region by region; a region that does not answer hides nobody."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import MagicMock

import pytest
from keystoneauth1.exceptions import ConnectFailure
from openstack.exceptions import HttpException

from foundation.errors import Problem
from landing_zone.cli import main, reading
from landing_zone.engine.home import Home
from landing_zone.engine.opening import Reached
from landing_zone.engine.runs import Selection, select
from landing_zone.engine.stack import StackKey
from landing_zone.planners.plan import EnvironmentPlan
from tests.unit.engine.support import FakeStacks, plan

WORDS = ["inventory", "--env", "lab"]
BASTIONS = {region.name: region.access.bastion.hostname for region in plan().regions.values()}


class Standing(FakeStacks):
    """Both bastions stand."""

    def outputs(self, key: StackKey) -> dict[str, Any]:
        return {"bastion": {"instance": f"i-{key.region}", "address": "198.18.0.9"}} if key.layer == "access" else {}


def nova(**servers: str) -> Any:
    """A region with servers of these ids and statuses."""
    made = MagicMock()
    made.compute.servers.return_value = [SimpleNamespace(id=f"i-{name}", status=status) for name, status in servers.items()]
    return made


def silent(error: Exception) -> Any:
    made = MagicMock()
    made.compute.servers.side_effect = error
    return made


@pytest.fixture
def cloud(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> dict[str, Any]:
    """What each region answers: a connection, or a problem in the place of one."""
    answers: dict[str, Any] = {"north": nova(north="ACTIVE", other="ERROR"), "south": nova(south="SHUTOFF")}

    def opened(asked: Any) -> tuple[EnvironmentPlan, Selection, Any]:
        return plan(), select(plan(), asked.regions, asked.layers, asked.tenants), Standing(Home(tmp_path))

    def reached(planned: EnvironmentPlan, regions: set[str], *, once: bool) -> Reached:
        assert once
        found = {name: answers[name] for name in regions}
        problems = {name: one for name, one in found.items() if isinstance(one, Problem)}
        return Reached({}, {name: one for name, one in found.items() if name not in problems}, problems)

    monkeypatch.setattr(reading, "open_offline", opened)
    monkeypatch.setattr(reading, "reach", reached)
    return answers


def statuses(said: str) -> Mapping[str, str | None]:
    return {name: values["lz_status"] for name, values in json.loads(said)["all"]["hosts"].items()}


def test_each_host_comes_with_what_nova_says_of_it(cloud: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*WORDS, "--json"]) == 0
    said = capsys.readouterr()
    assert statuses(said.out) == {BASTIONS["north"]: "ACTIVE", BASTIONS["south"]: "SHUTOFF"}
    assert said.err == ""


def test_one_that_was_made_and_is_not_there_is_gone(cloud: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> None:
    cloud["north"] = nova(other="ACTIVE")
    assert main([*WORDS, "--region", "north", "--json"]) == 0
    assert statuses(capsys.readouterr().out) == {BASTIONS["north"]: "GONE"}


@pytest.mark.parametrize(
    ("answer", "warning"),
    [
        (
            Problem("the cloud does not answer", "cloud lab-north", cure="is it up?"),
            "region north was not asked: the cloud does not answer",
        ),
        (silent(HttpException("503")), "region north: Nova does not answer"),
        (silent(ConnectFailure("refused")), "region north: Nova does not answer"),
    ],
)
def test_a_region_that_does_not_answer_is_warned_of_and_all_hosts_are_listed(
    cloud: dict[str, Any], capsys: pytest.CaptureFixture[str], answer: Any, warning: str
) -> None:
    cloud["north"] = answer
    assert main([*WORDS, "--json"]) == 5
    said = capsys.readouterr()
    assert statuses(said.out) == {BASTIONS["north"]: None, BASTIONS["south"]: "SHUTOFF"}
    assert said.err.startswith(f"warning: {warning}\n")
    assert main(WORDS) == 5
    rows = {line.split()[0]: line.split() for line in capsys.readouterr().out.splitlines()[1:]}
    assert "?" in rows[BASTIONS["north"]]
    assert "SHUTOFF" in rows[BASTIONS["south"]]


def test_the_way_in_is_callable_where_lz_is_another_program(
    cloud: dict[str, Any], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shutil.which", lambda _: "/usr/bin/lz")
    assert main(WORDS) == 0
    assert f".venv/bin/lz ssh --env lab {BASTIONS['north']}" in capsys.readouterr().out


def test_only_regions_of_which_something_is_listed_are_asked(cloud: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> None:
    cloud["north"] = Problem("the cloud does not answer")
    assert main([*WORDS, "--region", "south", "--json"]) == 0
    assert statuses(capsys.readouterr().out) == {BASTIONS["south"]: "SHUTOFF"}
