"""Whole environments: which stacks, in which order, and what an apply leaves alone, goes on with or leaves out."""

from __future__ import annotations

import json
import socket
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import MagicMock

import pytest
from openstack.exceptions import SDKException

from foundation.errors import BusyError, InputError, LzError, Problem
from landing_zone import cli
from landing_zone.engine import checkpoints, crew, recovery, runs
from landing_zone.engine.opening import load_plan, stacks_of
from landing_zone.engine.runs import Run, Selection, agrees, rank, select, with_faults
from landing_zone.engine.stack import Outcome, StackKey
from stacks import programs
from tests.unit.engine.support import plan


def previewed(run: Run, changed: set[str]) -> list[Outcome]:
    keys = run.planned(Selection(regions=frozenset({"north"})))
    return [Outcome(key, "preview", {}, (), key.layer in changed, 1, 0.1) for key in keys]


def did(run: Run) -> list[str]:
    stacks: Any = run.stacks
    return list(stacks.did)


def test_stacks_come_in_the_order_of_their_layers(run: Run) -> None:
    names = [key.layer for key in run.planned(Selection(regions=frozenset({"north"})))]
    assert names[:2] == ["identity", "network"]
    assert set(names[2:]) == {"access", "tenant-edu", "tenant-health", "tenant-portal"}
    assert "probes" in [key.layer for key in run.planned(Selection(), probes=True)]


def test_what_stands_and_is_no_longer_planned_belongs_to_it_too(run: Run) -> None:
    stacks: Any = run.stacks
    stacks.stands = {"lab.north.tenant-gone", "lab.north.identity", "other.north.identity"}
    assert [key.name for key in run.standing(Selection())] == ["lab.north.identity", "lab.north.tenant-gone"]


@pytest.mark.parametrize(
    ("chosen", "layer", "inside"),
    [
        (Selection(), "tenant-edu", True),
        (Selection(regions=frozenset({"south"})), "network", False),
        (Selection(layers=frozenset({"network"})), "network", True),
        (Selection(layers=frozenset({"network"})), "tenant-edu", False),
        (Selection(tenants=frozenset({"edu"})), "tenant-edu", True),
        (Selection(tenants=frozenset({"edu"})), "tenant-health", False),
        (Selection(tenants=frozenset({"edu"})), "network", False),
        (Selection(tenants=frozenset({"edu"}), layers=frozenset({"network"})), "network", True),
        (Selection(layers=frozenset({"tenant-edu"})), "tenant-edu", True),
    ],
)
def test_selection(chosen: Selection, layer: str, inside: bool) -> None:
    assert chosen.has("north", layer) is inside


def test_every_unknown_name_is_told_at_once() -> None:
    with pytest.raises(InputError) as caught:
        select(plan(), ["west"], ["roof"], ["nobody"])
    assert [problem.what.split(" in ")[0] for problem in caught.value.problems] == [
        "there is no region 'west'",
        "there is no layer 'roof'",
        "there is no tenant 'nobody'",
    ]


def test_a_tenant_that_only_stands_may_be_asked_for_where_that_is_said() -> None:
    standing = [StackKey("lab", "north", "tenant-gone"), StackKey("other", "north", "tenant-nobody")]
    assert select(plan(), [], ["tenant-gone"], ["gone", "edu"], standing).tenants == {"gone", "edu"}
    with pytest.raises(InputError, match="there is no tenant 'nobody'"):
        select(plan(), [], [], ["nobody"], standing)


def test_workers_are_forked_with_everything_imported_that_an_order_is_made_of() -> None:
    assert {runs.__name__, programs.__name__, cli.__name__} <= set(crew.PRELOAD)


def test_nothing_is_touched_when_nothing_changes(run: Run) -> None:
    assert len(run.apply(previewed(run, set()))) == 6
    assert did(run) == []


def test_only_what_changes_is_applied_in_order(run: Run) -> None:
    run.apply(previewed(run, {"tenant-edu", "identity"}))
    assert did(run) == ["up north.identity", "up north.tenant-edu"]


def test_other_ids_of_an_earlier_layer_reach_the_later_ones(run: Run) -> None:
    stacks: Any = run.stacks
    stacks.ids = {"network": [{"router": {"hub": "r1"}}, {"router": {"hub": "r2"}}]}
    run.apply(previewed(run, {"network"}))
    assert did(run)[0] == "up north.network"
    assert sorted(did(run)[1:]) == ["up north.access", "up north.tenant-edu", "up north.tenant-health", "up north.tenant-portal"]


def test_more_ids_of_an_earlier_layer_do_not(run: Run) -> None:
    stacks: Any = run.stacks
    stacks.ids = {"network": [{"router": {"hub": "r1"}}, {"router": {"hub": "r1", "second": "r2"}}]}
    run.apply(previewed(run, {"network"}))
    assert did(run) == ["up north.network"]


def test_after_a_failure_the_rest_is_finished_and_all_is_told(run: Run) -> None:
    stacks: Any = run.stacks
    stacks.broken = {"network", "tenant-portal"}
    previews = previewed(run, {"network", "tenant-edu"}) + [
        replace(each, key=replace(each.key, region="south")) for each in previewed(run, {"tenant-portal", "tenant-edu"})
    ]
    with pytest.raises(LzError) as caught:
        run.apply(previews)
    assert did(run) == ["up north.network", "up south.tenant-edu", "up south.tenant-portal"]
    assert [problem.what for problem in caught.value.problems][:2] == ["network broke", "tenant-portal broke"]
    assert "lab.north.tenant-edu" in caught.value.problems[2].where


def test_removal_goes_backwards(run: Run) -> None:
    stacks: Any = run.stacks
    stacks.stands = {"lab.north.identity", "lab.north.network", "lab.north.tenant-edu", "lab.north.probes"}
    run.remove(run.standing(Selection()))
    assert did(run) == ["destroy north.probes", "destroy north.tenant-edu", "destroy north.network", "destroy north.identity"]


def test_an_environment_is_rehearsed_by_a_mark_behind_its_name() -> None:
    rehearsed = load_plan("ministry-agc@lab")
    assert {region.cloud for region in rehearsed.regions.values()} == {"lab-north", "lab-south"}
    assert rehearsed.regions["north"].network.networks == load_plan("ministry-agc").regions["north"].network.networks


@pytest.mark.parametrize(
    ("reference", "stage", "home"),
    [("ministry-agc", "production", "agc"), ("ministry-agc@lab", "lab", "agc@lab"), ("lab", "lab", "lab"), ("lab@lab", "lab", "lab")],
)
def test_a_rehearsal_has_a_home_of_its_own_which_comes_and_goes_with_the_lab(
    reference: str, stage: str, home: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("LZ_CACHE", str(tmp_path))
    planned = load_plan(reference)
    assert (planned.stage, planned.home) == (stage, home)
    assert stacks_of(planned).home.root == tmp_path / "state" / home
    assert planned.code == home.removesuffix("@lab")  # names in the cloud are those of the file


def test_ranks() -> None:
    assert rank("identity") < rank("network") < rank("access") == rank("tenant-edu") < rank("probes")


def test_a_state_agrees_with_its_cloud_only() -> None:
    connection = MagicMock()
    connection.identity.find_domain.side_effect = lambda domain, ignore_missing: domain if domain == "d1" else None
    assert agrees([], connection)
    assert agrees(["d1"], connection)
    assert not agrees(["d1", "d2"], connection)


def test_an_instance_in_error_comes_with_what_the_cloud_says_of_it() -> None:
    connection = MagicMock()
    connection.compute.find_server.return_value.fault = {"message": "No valid host was found."}
    problem = Problem("Error waiting for instance (ae090b0c-d4aa-42f8-b2e1-b6f5f0c661a7) to become ready", why="state ERROR")
    assert with_faults([problem], connection)[0].why == "No valid host was found."
    connection.compute.find_server.side_effect = OSError
    assert with_faults([problem], connection) == [problem]
    assert with_faults([problem], None) == [problem]


def test_a_lock_without_a_state_is_released_too(run: Run) -> None:
    """What is left when a killed run's state was put aside: the engine would refuse to make the stack anew."""
    key = StackKey("lab", "north", "network")
    lock = run.stacks.home.backend / checkpoints.locks(key.name) / "x.json"
    lock.parent.mkdir(parents=True)
    lock.write_text(json.dumps({"pid": 0, "hostname": socket.gethostname(), "timestamp": "2026-01-01T00:00:00+07:00"}))
    run.connections = {"north": MagicMock()}
    run.previews([key])
    assert not lock.exists()


@pytest.mark.parametrize(
    ("failures", "kind", "told"),
    [
        ({"identity": LzError("damaged"), "access": SDKException("503")}, LzError, ["damaged", "the cloud did not do what it was asked"]),
        ({"identity": BusyError("in use"), "access": LzError("damaged")}, BusyError, ["in use", "damaged"]),
    ],
)
def test_a_stack_that_cannot_be_recovered_keeps_no_other_from_it(
    run: Run, monkeypatch: pytest.MonkeyPatch, failures: dict[str, Exception], kind: type[LzError], told: list[str]
) -> None:
    stacks: Any = run.stacks
    keys = [StackKey("lab", "north", layer) for layer in ("identity", "access", "network")]
    stacks.stands = {key.name for key in keys}
    run.connections = {"north": MagicMock()}
    seen: list[str] = []

    def recover(_: Any, key: StackKey, *__: Any) -> None:
        seen.append(key.layer)
        if key.layer in failures:
            raise failures[key.layer]

    monkeypatch.setattr(recovery, "recover", recover)
    with pytest.raises(LzError) as caught:
        run.recover(keys)
    assert ([problem.what for problem in caught.value.problems], type(caught.value)) == (told, kind)
    assert seen == ["identity", "access", "network"]
    assert run.recovered == {keys[2]}


def test_a_stack_is_marked_before_it_is_applied_until_what_comes_after_is_done(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    stacks: Any = run.stacks
    key = StackKey("lab", "north", "tenant-edu")

    def killed(*_: Any) -> None:
        raise KeyboardInterrupt

    limits = stacks.home.limits(key.name)
    limits.touch()
    monkeypatch.setattr(stacks, "up", killed)
    with pytest.raises(KeyboardInterrupt):
        run.apply(previewed(run, {"tenant-edu"}))
    assert not limits.exists()
    limits.touch()
    assert [path.name for path in stacks.home.unclosed(key.name).parent.iterdir()] == [key.name]
    stacks.stands = {key.name}
    run.remove([key])
    assert not stacks.home.unclosed(key.name).exists()
    assert not limits.exists()
