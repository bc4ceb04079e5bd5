"""What the doctor finds in a state, and what it does about it: with a folder as the store, and no engine."""

from __future__ import annotations

import json
import socket
from pathlib import Path
from typing import Any
from unittest.mock import MagicMock

import pytest
from keystoneauth1.exceptions import ConnectFailure
from openstack.exceptions import SDKException
from pulumi import automation as auto

from foundation.errors import LzError, Problem
from landing_zone.engine import checkpoints, doubts
from landing_zone.engine.clouds import Cloud
from landing_zone.engine.doctor import Doctor, Finding, good_copy
from landing_zone.engine.doubts import Doubt
from landing_zone.engine.home import Home
from landing_zone.engine.recovery import Lock, Site
from landing_zone.engine.runs import Selection
from landing_zone.engine.stack import Outcome, StackKey, Stacks
from landing_zone.engine.stores.folder import Folder
from tests.unit.engine.support import plan

CLOUD = Cloud("lab-north", "https://cloud.example/v3", None)
NAME = "lab.north.network"
NETWORK = "openstack:networking/network:Network"
URN = f"urn:pulumi:{NAME}::landing-zone::{NETWORK}::app"
GRANT = "openstack:identity/roleAssignment:RoleAssignment"
GONE = {"pid": 0, "username": "mai", "hostname": socket.gethostname(), "timestamp": "2026-01-01T00:00:00+07:00"}


class StateOnly(Stacks):
    """Stacks whose engine calls only change the state."""

    refreshed: list[str]
    silent: frozenset[str] = frozenset()

    def export(self, key: StackKey) -> auto.Deployment:
        return auto.Deployment(version=3, deployment=self.latest(key))

    def put_back(self, key: StackKey, state: auto.Deployment) -> None:
        put(self, key.name, dict(state.deployment or {}))

    def refresh(self, key: StackKey) -> Outcome:
        self.refreshed.append(key.name)
        problems = (Problem(f"{key.name} cannot be compared"),) if key.name in self.silent else ()
        return Outcome(key, "refresh", {}, (), False, 1, 0.1, problems)


@pytest.fixture
def stacks(tmp_path: Path) -> StateOnly:
    made = StateOnly(Home(tmp_path), Folder(tmp_path / "backend"))
    made.refreshed = []
    put(made, NAME, {"resources": [{"urn": URN, "type": NETWORK, "id": "n0"}]})
    return made


def put(stacks: Stacks, name: str, latest: dict[str, Any]) -> None:
    stacks.store.write(checkpoints.checkpoint(name), json.dumps({"version": 3, "checkpoint": {"latest": latest}}).encode())


def lock(stacks: Stacks, content: dict[str, Any], name: str = NAME) -> None:
    stacks.store.write(f"{checkpoints.locks(name)}x.json", json.dumps(content).encode())


def note(kind: str, operation: str = "creating") -> dict[str, Any]:
    return {"type": operation, "resource": {"urn": URN, "type": kind, "inputs": {"name": "app", "tenantId": "p1"}}}


def doctor(stacks: Stacks, connection: MagicMock | None = None, *, break_locks: bool = False) -> Doctor:
    return Doctor(plan(), stacks, {"north": Site(CLOUD, connection)} if connection else {}, break_locks)


def one(found: list[Finding]) -> Finding:
    assert len(found) == 1, found
    return found[0]


def test_a_state_in_order(stacks: StateOnly) -> None:
    for other in ("other.north.roof", "lab-2.north.network"):
        put(stacks, other, {"pending_operations": [note(NETWORK)]})
        lock(stacks, GONE, other)
    assert doctor(stacks).examine() == []


def test_a_lock_whose_holder_is_at_work_is_none_to_be_removed(stacks: StateOnly, monkeypatch: pytest.MonkeyPatch) -> None:
    lock(stacks, GONE)
    monkeypatch.setattr(Lock, "held", True)
    looking = doctor(stacks, MagicMock(), break_locks=True)
    found = one(looking.examine())
    assert (found.what, found.ours) == ("it is locked", False)
    looking.repair([found], lambda _: None)
    assert looking.examine() == [found]


def test_a_stale_lock_is_removed_also_one_without_a_state(stacks: StateOnly) -> None:
    lock(stacks, GONE)
    lock(stacks, GONE, "lab.north.identity")
    looking = doctor(stacks, MagicMock())
    found = looking.examine()
    assert [(each.stack, each.kind, each.ours) for each in found] == [("lab.north.identity", "lock", True), (NAME, "lock", True)]
    looking.repair(found, lambda _: None)
    assert looking.examine() == []


def test_a_lock_of_another_machine_is_left_alone_until_it_is_said(stacks: StateOnly) -> None:
    lock(stacks, {**GONE, "hostname": "elsewhere"})
    put(stacks, NAME, {"resources": [], "pending_operations": [note(GRANT)]})
    careful = doctor(stacks, MagicMock())
    found = careful.examine()
    assert [(each.kind, each.ours) for each in found] == [("lock", False), ("pending operation", True)]
    assert "of mai on elsewhere" in found[0].seen
    careful.repair(found, lambda _: None)
    assert careful.examine() == found
    certain = doctor(stacks, MagicMock(), break_locks=True)
    certain.repair(certain.examine(), lambda _: None)
    assert certain.examine() == []


def test_only_the_part_that_is_asked_for_is_looked_at(stacks: StateOnly) -> None:
    lock(stacks, GONE)
    lock(stacks, GONE, "lab.north.identity")
    lock(stacks, GONE, "lab.south.network")
    part = Selection(regions=frozenset({"north"}), layers=frozenset({NAME.rsplit(".", 1)[1]}))
    assert [each.stack for each in Doctor(plan(), stacks, {}, part=part).examine()] == [NAME]


def test_a_name_that_lacks_a_part_is_of_no_region_or_layer() -> None:
    assert [StackKey.of(name) for name in ("lab.north.tenant-a.b", "lab.north", "lab")] == [
        StackKey("lab", "north", "tenant-a.b"), StackKey("lab", "north", ""), StackKey("lab", "", ""),
    ]  # fmt: skip


def test_a_pending_creation_that_lives_is_found_first_and_removed_by_fix(stacks: StateOnly) -> None:
    connection = MagicMock()
    connection.network.networks.return_value = [MagicMock(id="n1")]
    put(stacks, NAME, {"resources": [], "pending_operations": [note(NETWORK)]})
    looking = doctor(stacks, connection)
    found = one(looking.examine())
    assert found.what == "creating network app was under way when a run ended"
    assert found.seen == "lives in the cloud: n1"
    assert not connection.network.delete_network.called
    looking.repair([found], lambda _: None)
    assert connection.network.delete_network.call_count == 1
    assert stacks.refreshed == [NAME]
    assert looking.examine() == []


@pytest.mark.parametrize(
    ("operation", "kind", "there", "seen"),
    [
        ("creating", NETWORK, [], "is not in the cloud"),
        ("creating", GRANT, [], "of a kind that may be asked for twice"),
        ("deleting", NETWORK, [MagicMock(id="n1")], "lives in the cloud: n1"),
    ],
)
def test_what_needs_no_removal_loses_its_note(stacks: StateOnly, operation: str, kind: str, there: list[Any], seen: str) -> None:
    connection = MagicMock()
    connection.network.networks.return_value = there
    put(stacks, NAME, {"resources": [], "pending_operations": [note(kind, operation)]})
    looking = doctor(stacks, connection)
    found = one(looking.examine())
    assert found.seen == seen
    looking.repair([found], lambda _: None)
    assert not connection.network.delete_network.called
    assert looking.examine() == []


def test_what_failed_without_an_answer_is_looked_for_too(stacks: StateOnly) -> None:
    connection = MagicMock()
    connection.network.networks.return_value = [MagicMock(id="n1")]
    lost = URN.replace("app", "lost")
    doubts.keep(stacks.home, NAME, [Doubt(lost, NETWORK, {"name": "lost", "tenantId": "p1"}), Doubt(URN, "", {})])
    looking = doctor(stacks, connection)
    found = looking.examine()
    assert [each.seen for each in found] == ["lives in the cloud: n1", "stands in the state"]
    looking.repair(found, lambda _: None)
    assert connection.network.delete_network.call_count == 1
    assert looking.examine() == []


@pytest.mark.parametrize("error", [SDKException("503"), ConnectFailure("no"), KeyError("name"), None])
def test_what_cannot_be_looked_for_is_not_touched(stacks: StateOnly, error: Exception | None) -> None:
    """None: the region is not asked at all."""
    connection = MagicMock()
    connection.network.networks.side_effect = error
    put(stacks, NAME, {"resources": [], "pending_operations": [note(NETWORK)]})
    looking = doctor(stacks, connection if error else None)
    found = one(looking.examine())
    assert found.seen.startswith("could not be evaluated")
    looking.repair([found], lambda _: None)
    assert looking.examine() == [found]


def test_what_did_not_come_up_well_is_marked(stacks: StateOnly) -> None:
    put(stacks, NAME, {"resources": [{"urn": URN, "type": NETWORK, "id": "n1", "initErrors": ["status ERROR"]}]})
    looking = doctor(stacks, MagicMock())
    found = one(looking.examine())
    assert (found.kind, found.seen) == ("broken resource", "status ERROR")
    looking.repair([found], lambda _: None)
    assert stacks.resources(StackKey("lab", "north", "network"))[0]["taint"] is True


def test_a_damaged_state_is_put_back_from_the_best_earlier_one(stacks: StateOnly) -> None:
    store = stacks.store
    good = store.read(checkpoints.checkpoint(NAME)) or b""
    store.write(checkpoints.checkpoint(NAME), good[:-9])
    looking = doctor(stacks, MagicMock())
    assert not one(looking.examine()).ours
    for when, data in ((17, good), (18, good), (19, b"cut o")):
        store.write(f"{checkpoints.history(NAME)}{NAME}-{when}.checkpoint.json", data)
    store.write(f"{checkpoints.history(NAME)}{NAME}-20.history.json", b'{"kind": "update"}')
    assert good_copy(store, NAME) == f"{checkpoints.history(NAME)}{NAME}-18.checkpoint.json"
    store.write(checkpoints.before(NAME), good)
    assert good_copy(store, NAME) == checkpoints.before(NAME)
    found = one(looking.examine())
    looking.repair([found], lambda _: None)
    assert store.read(checkpoints.checkpoint(NAME)) == good
    assert stacks.refreshed == [NAME]
    assert [path.read_bytes() for path in (stacks.home.root / "aside").rglob("*.json")] == [good[:-9]]
    assert looking.examine() == []


def test_a_repair_asks_the_cloud_where_it_is_now(stacks: StateOnly) -> None:
    provider = {"urn": "p", "type": "pulumi:providers:openstack", "inputs": {"authUrl": "https://old.example/v3", "cacertFile": "old"}}
    put(stacks, NAME, {"resources": [{**provider, "outputs": {}}], "pending_operations": [note(GRANT)]})
    looking = doctor(stacks, MagicMock())
    looking.repair(looking.examine(), lambda _: None)
    [kept] = stacks.resources(StackKey.of(NAME))
    assert kept["inputs"] == kept["outputs"] == {"authUrl": CLOUD.auth_url}
    assert stacks.refreshed == [NAME]


def test_what_cannot_be_repaired_keeps_nothing_else_from_being_repaired(stacks: StateOnly) -> None:
    names = ["lab.north.access", "lab.north.identity", NAME]
    for name in names:
        put(stacks, name, {"resources": [], "pending_operations": [note(GRANT)]})
    stacks.silent = frozenset(names[:2])
    looking = doctor(stacks, MagicMock())
    with pytest.raises(LzError) as caught:
        looking.repair(looking.examine(), lambda _: None)
    assert [problem.what for problem in caught.value.problems] == [f"{name} cannot be compared" for name in names[:2]]
    assert stacks.refreshed == names


def test_a_damaged_state_under_a_stale_lock_is_put_back_and_compared(stacks: StateOnly) -> None:
    place = checkpoints.checkpoint(NAME)
    good = stacks.store.read(place) or b""
    stacks.store.write(checkpoints.before(NAME), good)
    stacks.store.write(place, good[:-9])
    lock(stacks, GONE)
    looking = doctor(stacks, MagicMock())
    looking.repair(looking.examine(), lambda _: None)
    assert (looking.examine(), stacks.refreshed) == ([], [NAME])


@pytest.mark.parametrize("name", ["lab.west.identity", "lab.north.roof", "lab.odd"])
def test_stacks_of_no_known_place_are_named_and_left_alone(stacks: StateOnly, name: str) -> None:
    put(stacks, name, {})
    looking = doctor(stacks, MagicMock())
    found = one(looking.examine())
    assert (found.stack, found.kind, found.ours) == (name, "unknown stack", False)
    assert found.repair.index("lz down") < found.repair.index("pulumi stack rm")
    looking.repair([found], lambda _: None)
    assert looking.examine() == [found]


def test_a_tenant_that_left_the_file_is_no_fault(stacks: StateOnly) -> None:
    put(stacks, "lab.north.tenant-gone", {})
    assert doctor(stacks).examine() == []
