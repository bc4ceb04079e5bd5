"""After a kill: half-made things are found by what was noted of them and removed, and nothing else is touched."""

from __future__ import annotations

import contextlib
import json
import re
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from unittest.mock import MagicMock

import pytest
from openstack.exceptions import SDKException
from pulumi import automation as auto

from foundation.errors import BusyError, LzError, Problem
from foundation.places import CHECKOUT
from landing_zone.engine import checkpoints, doubts, orphans, recovery
from landing_zone.engine.clouds import Cloud
from landing_zone.engine.doubts import Doubt
from landing_zone.engine.home import Home
from landing_zone.engine.recovery import Lock, Site
from landing_zone.engine.stack import Outcome, StackKey
from landing_zone.engine.stores.folder import Folder
from tests.support.waiting import until

KEY = StackKey("lab", "north", "network")
CLOUD = Cloud("lab-north", "https://cloud.example/v3", None)
NETWORK = "openstack:networking/network:Network"
URN = f"urn:pulumi:lab.north.network::landing-zone::{NETWORK}::app"


class Thing:
    def __init__(self, identity: str, **more: Any) -> None:
        self.id = identity
        for name, value in more.items():
            setattr(self, name, value)


class FakeStacks:
    """Keeps the state of one stack where the engine does."""

    def __init__(self, home: Home, latest: dict[str, Any]) -> None:
        self.home = home
        self.store = Folder(home.backend)
        self.problems: tuple[Problem, ...] = ()
        self.refreshed: list[StackKey] = []
        self.reads = 0
        self._write(latest)

    def _write(self, latest: dict[str, Any]) -> None:
        self.store.write(checkpoints.checkpoint(KEY.name), json.dumps({"version": 3, "checkpoint": {"latest": latest}}).encode())

    def state(self) -> dict[str, Any]:
        return checkpoints.latest(self.store.read(checkpoints.checkpoint(KEY.name)) or b"")

    def latest(self, key: StackKey) -> dict[str, Any]:
        self.reads += 1
        return self.state()

    def export(self, key: StackKey) -> auto.Deployment:
        return auto.Deployment(version=3, deployment=self.state())

    def put_back(self, key: StackKey, state: auto.Deployment) -> None:
        self._write(dict(state.deployment or {}))

    def refresh(self, key: StackKey) -> Outcome:
        self.refreshed.append(key)
        return Outcome(key, "refresh", {}, (), False, 0, 0.1, self.problems)


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A process with the engine's name."""
    with engine_named(tmp_path, "pulumi") as process:
        yield process


@contextlib.contextmanager
def engine_named(folder: Path, name: str) -> Iterator[subprocess.Popen[bytes]]:
    shutil.copy(shutil.which("sleep") or "", folder / name)
    with subprocess.Popen([folder / name, "600"]) as process:
        try:
            until(lambda: Path(f"/proc/{process.pid}/comm").read_text() == f"{name}\n", 10, 0.01)
            yield process
        finally:
            process.kill()


def lock(pid: int, ago: float = 0, host: str = "") -> Lock:
    return Lock("x", pid, "mai", host or socket.gethostname(), (datetime.now(UTC) - timedelta(seconds=ago)).isoformat())


def test_a_lock_is_held_by_the_living_engine_that_made_it(engine: subprocess.Popen[bytes], tmp_path: Path) -> None:
    assert lock(engine.pid).held
    assert not lock(engine.pid, ago=3600).held, "its number was another one's when the lock was made"
    assert not replace(lock(engine.pid), since="an unknown time").held
    assert not lock(0).held
    with engine_named(tmp_path, "editor") as other:
        assert not lock(other.pid).held
    engine.kill()
    until(lambda: not lock(engine.pid).held, 10, 0.01)  # nobody has asked yet how it ended


def test_what_another_machine_has_locked_may_be_held() -> None:
    assert lock(0, ago=10**8, host="elsewhere").held


def test_a_held_lock_stays_and_one_that_nobody_holds_goes_with_what_was_half_written(
    engine: subprocess.Popen[bytes], tmp_path: Path
) -> None:
    store = Folder(tmp_path / "backend")
    place, state = f"{checkpoints.locks(KEY.name)}x.json", checkpoints.checkpoint(KEY.name)
    content = {"pid": engine.pid, "username": "mai", "hostname": socket.gethostname(), "timestamp": datetime.now(UTC).isoformat()}
    others = [state, checkpoints.before(KEY.name), f"{checkpoints.locks('lab.north.access')}x.json"]
    for key, data in {place: json.dumps(content).encode(), f"{state}.18ec.tmp": b"{", **dict.fromkeys(others, b"{}")}.items():
        store.write(key, data)
    before = store.keys("")
    with pytest.raises(BusyError, match="is in use"):
        recovery.release_lock(store, KEY, print, patience=0)
    assert store.keys("") == before
    store.write(place, b"{ cut off")
    assert recovery.release_lock(store, KEY, print, patience=0)
    assert store.keys("") == sorted(others)
    assert not recovery.release_lock(store, KEY, print, patience=0)


def recovered(tmp_path: Path, latest: dict[str, Any], connection: MagicMock) -> tuple[FakeStacks, bool, list[str]]:
    stacks = FakeStacks(Home(tmp_path), latest)
    said: list[str] = []
    return stacks, recovery.recover(stacks, KEY, Site(CLOUD, connection), said.append), said  # type: ignore[arg-type]


def test_a_state_without_notes_is_left_alone(tmp_path: Path) -> None:
    latest = {"resources": [{"urn": URN, "type": NETWORK, "id": "n1"}]}
    stacks, did, _ = recovered(tmp_path, latest, MagicMock())
    assert not did
    assert stacks.state() == latest
    assert stacks.refreshed == []
    assert stacks.reads == 1


def test_what_was_being_made_is_removed_and_the_note_is_gone(tmp_path: Path) -> None:
    connection = MagicMock()
    connection.network.networks.return_value = [Thing("n1")]
    note = {"type": "creating", "resource": {"urn": URN, "type": NETWORK, "inputs": {"name": "app", "tenantId": "p1"}}}
    stacks, did, said = recovered(tmp_path, {"resources": [], "pending_operations": [note]}, connection)
    assert did
    connection.network.networks.assert_called_once_with(name="app", project_id="p1")
    assert connection.network.delete_network.call_count == 1
    assert "pending_operations" not in stacks.state()
    assert stacks.refreshed == [KEY]
    assert "network app (n1)" in said[0]


def test_what_was_being_made_in_the_place_of_another_is_removed_too(tmp_path: Path) -> None:
    """The engine goes on keeping the one that it has removed, with its id."""
    connection = MagicMock()
    connection.network.networks.return_value = [Thing("n2")]
    removed = {"urn": URN, "type": NETWORK, "id": "n1", "pendingReplacement": True}
    note = {"type": "creating", "resource": {"urn": URN, "type": NETWORK, "inputs": {"name": "app", "tenantId": "p1"}}}
    _, did, said = recovered(tmp_path, {"resources": [removed], "pending_operations": [note]}, connection)
    assert did
    assert connection.network.delete_network.call_count == 1
    assert "network app (n2)" in said[0]


@pytest.mark.parametrize(("ago", "least", "most"), [(0, 4, 5), (3, 1, 2), (3600, 0, 0), (-3600, 5, 5)])
def test_what_was_being_made_is_looked_for_when_the_cloud_has_carried_out_what_it_was_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ago: float, least: float, most: float
) -> None:
    """A call is carried out though its caller was killed. The clock of another machine, which wrote the state, may be ahead."""
    waited: list[float] = []
    monkeypatch.setattr(time, "sleep", waited.append)
    connection = MagicMock()
    note = {"type": "creating", "resource": {"urn": URN, "type": NETWORK, "inputs": {"name": "app", "tenantId": "p1"}}}
    manifest = {"time": (datetime.now(UTC) - timedelta(seconds=ago)).isoformat()}
    recovered(tmp_path, {"manifest": manifest, "resources": [], "pending_operations": [note]}, connection)
    assert least <= sum(waited) <= most


def test_what_perhaps_was_made_is_looked_for_once_unless_the_state_knows_it(tmp_path: Path) -> None:
    home = Home(tmp_path)
    perhaps = [Doubt(URN, NETWORK, {"name": "app", "tenantId": "p1"}), Doubt(URN + "2", NETWORK, {"name": "web", "tenantId": "p1"})]
    for doubt in perhaps:
        doubts.keep(home, KEY.name, [doubt])
    assert doubts.kept(home, KEY.name)
    connection = MagicMock()
    connection.network.networks.return_value = [Thing("n1")]
    stacks, did, said = recovered(tmp_path, {"resources": [{"urn": URN + "2", "type": NETWORK, "id": "n2"}]}, connection)
    assert did
    connection.network.networks.assert_called_once_with(name="app", project_id="p1")
    assert "network app (n1)" in said[0]
    assert stacks.refreshed == [KEY]
    assert not doubts.kept(home, KEY.name)


def test_what_cannot_be_looked_for_now_is_looked_for_at_the_next_run(tmp_path: Path) -> None:
    home = Home(tmp_path)
    doubts.keep(home, KEY.name, [Doubt(URN, NETWORK, {"name": "app", "tenantId": "p1"})])
    assert home.doubts(KEY.name).stat().st_mode & 0o077 == 0
    connection = MagicMock()
    connection.network.networks.side_effect = SDKException("no answer")
    with pytest.raises(SDKException):
        recovered(tmp_path, {"resources": []}, connection)
    assert doubts.kept(home, KEY.name)


def test_what_was_being_made_is_not_forgotten_before_the_state_has_been_compared(tmp_path: Path) -> None:
    home, connection = Home(tmp_path), MagicMock()
    connection.network.networks.return_value = []
    note = {"type": "creating", "resource": {"urn": URN, "type": NETWORK, "inputs": {"name": "app", "tenantId": "p1"}}}
    stacks: Any = FakeStacks(home, {"resources": [], "pending_operations": [note]})
    stacks.problems = (Problem("no answer"),)
    for _ in range(2):
        with pytest.raises(LzError, match="no answer"):
            recovery.recover(stacks, KEY, Site(CLOUD, connection), print)
    stacks.problems = ()
    assert recovery.recover(stacks, KEY, Site(CLOUD, connection), print)
    assert connection.network.networks.call_count == 3
    assert not recovery.recover(stacks, KEY, Site(CLOUD, connection), print)


def test_what_was_being_made_is_kept_before_its_note_is_taken_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """This run may be killed just then, too."""

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(FakeStacks, "put_back", killed)
    note = {"type": "creating", "resource": {"urn": URN, "type": NETWORK, "inputs": {"name": "app", "tenantId": "p1"}}}
    with pytest.raises(KeyboardInterrupt):
        recovered(tmp_path, {"resources": [], "pending_operations": [note]}, MagicMock())
    assert doubts.kept(Home(tmp_path), KEY.name) == (Doubt(URN, NETWORK, {"name": "app", "tenantId": "p1"}),)


def test_what_was_being_removed_or_changed_is_not_touched(tmp_path: Path) -> None:
    connection = MagicMock()
    notes = [{"type": kind, "resource": {"urn": URN, "type": NETWORK, "inputs": {}}} for kind in ("deleting", "updating")]
    stacks, _, _ = recovered(tmp_path, {"resources": [], "pending_operations": notes}, connection)
    assert connection.mock_calls == []
    assert "pending_operations" not in stacks.state()


def test_what_did_not_come_up_well_is_made_anew(tmp_path: Path) -> None:
    broken = {"urn": URN, "type": NETWORK, "id": "n1", "initErrors": ["status ERROR"]}
    stacks, did, said = recovered(tmp_path, {"resources": [broken, {"urn": URN + "2", "type": NETWORK, "id": "n2"}]}, MagicMock())
    assert did
    first, second = stacks.state()["resources"]
    assert first["taint"] is True
    assert "initErrors" not in first
    assert "taint" not in second
    assert "will be made anew" in said[0]


def test_what_failed_at_a_change_is_compared_with_the_cloud_and_never_made_anew(tmp_path: Path) -> None:
    times = {"created": "2026-11-25T10:00:00Z", "modified": "2026-11-25T11:00:00Z"}
    latest = {"resources": [{"urn": URN, "type": NETWORK, "id": "n1", "initErrors": ["500"], **times}]}
    stacks, did, _ = recovered(tmp_path, latest, MagicMock())
    assert did
    assert "taint" not in stacks.state()["resources"][0]
    assert stacks.refreshed == [KEY]


RULE = {
    "direction": "ingress", "ether_type": "IPv4", "protocol": "tcp", "port_range_min": 443, "port_range_max": 443,
    "remote_ip_prefix": "10.0.0.0/8",
}  # fmt: skip


@pytest.mark.parametrize(
    "other",
    [{"direction": "egress"}, {"ether_type": "IPv6"}, {"protocol": None}, {"port_range_min": 1}, {"port_range_max": 500},
     {"remote_ip_prefix": "10.1.0.0/16"}],
)  # fmt: skip
def test_an_orphaned_rule_is_known_by_all_that_it_says(other: dict[str, Any]) -> None:
    inputs = {
        "securityGroupId": "g1",
        "direction": "ingress",
        "ethertype": "IPv4",
        "protocol": "tcp",
        "portRangeMin": 443,
        "portRangeMax": 443,
        "remoteIpPrefix": "10.0.0.0/8",
    }
    connection = MagicMock()
    connection.network.security_group_rules.return_value = [Thing("other", **{**RULE, **other}), Thing("ours", **RULE)]
    assert orphans.remove(connection, "openstack:networking/secGroupRule:SecGroupRule", inputs) == ("ours",)
    connection.network.security_group_rules.assert_called_once_with(security_group_id="g1")


@pytest.mark.parametrize("other", [{"target_project_id": "p2"}, {"action": "access_as_external"}])
def test_an_orphaned_share_is_known_by_what_it_shows_to_whom_and_how(other: dict[str, str]) -> None:
    same = {"target_project_id": "p1", "action": "access_as_shared"}
    connection = MagicMock()
    connection.network.rbac_policies.return_value = [Thing("other", **{**same, **other}), Thing("ours", **same)]
    inputs = {"objectId": "n1", "targetTenant": "p1", "action": "access_as_shared"}
    assert orphans.remove(connection, "openstack:networking/rbacPolicyV2:RbacPolicyV2", inputs) == ("ours",)
    connection.network.rbac_policies.assert_called_once_with(object_id="n1")


OF_PROJECT, OF_DOMAIN, OF_NETWORK = ({"project_id": "p1"}, {"domain_id": "d1"}, {"network_id": "n1"})
ASKED: list[tuple[str, str, str, dict[str, str]]] = [
    ("identity/project:Project", "identity", "projects", OF_DOMAIN),
    ("identity/groupV3:GroupV3", "identity", "groups", OF_DOMAIN),
    ("identity/user:User", "identity", "users", OF_DOMAIN),
    ("networking/network:Network", "network", "networks", OF_PROJECT),
    ("networking/subnet:Subnet", "network", "subnets", OF_NETWORK),
    ("networking/router:Router", "network", "routers", OF_PROJECT),
    ("networking/port:Port", "network", "ports", OF_NETWORK),
    ("networking/secGroup:SecGroup", "network", "security_groups", OF_PROJECT),
    ("networking/addressScope:AddressScope", "network", "address_scopes", OF_PROJECT),
    ("networking/subnetPool:SubnetPool", "network", "subnet_pools", OF_PROJECT),
    ("networking/floatingIp:FloatingIp", "network", "ips", OF_PROJECT),
]


@pytest.mark.parametrize(("kind", "service", "lister", "owner"), ASKED, ids=[kind for kind, *_ in ASKED])
def test_what_is_looked_for_has_our_name_and_our_owner(kind: str, service: str, lister: str, owner: dict[str, str]) -> None:
    """Others may give their things the same names; all that is found is removed."""
    connection = MagicMock()
    inputs = {"name": "app", "description": "app", "tenantId": "p1", "projectId": "p1", "domainId": "d1", "networkId": "n1"}
    orphans.find(connection, f"openstack:{kind}", inputs)
    name = "description" if lister == "ips" else "name"
    getattr(getattr(connection, service), lister).assert_called_once_with(**{name: "app"}, **owner)


def test_looking_for_what_was_left_touches_nothing() -> None:
    connection = MagicMock()
    connection.network.networks.return_value = [Thing("n1"), Thing("n2")]
    found = orphans.find(connection, NETWORK, {"name": "app", "tenantId": "p1"})
    assert [orphan.id for orphan in found] == ["n1", "n2"]
    assert [call[0] for call in connection.mock_calls] == ["network.networks"]


def test_an_orphaned_router_leg_of_another_router_is_left_alone() -> None:
    connection = MagicMock()
    connection.network.find_port.return_value = Thing("port", device_id="another")
    inputs = {"portId": "port", "routerId": "ours"}
    assert orphans.remove(connection, "openstack:networking/routerInterface:RouterInterface", inputs) == ()
    connection.network.find_port.return_value = Thing("port", device_id="ours")
    assert orphans.remove(connection, "openstack:networking/routerInterface:RouterInterface", inputs) == ("port",)


def test_an_orphaned_instance_must_have_the_very_name() -> None:
    connection = MagicMock()
    connection.network.find_port.return_value = Thing("port", project_id="p1")
    connection.compute.servers.return_value = [Thing("s1", name="web"), Thing("s2", name="web-2")]
    inputs = {"name": "web", "networks": [{"port": "port"}]}
    assert orphans.remove(connection, "openstack:compute/instance:Instance", inputs) == ("s1",)
    connection.compute.servers.assert_called_once_with(all_projects=True, name="^web$", project_id="p1")


def test_orphaned_routes_are_taken_away_and_no_others() -> None:
    connection = MagicMock()
    ours, other = {"destination": "10.0.0.0/8", "nexthop": "10.1.0.9"}, {"destination": "10.9.0.0/16", "nexthop": "10.1.0.9"}
    connection.network.find_router.return_value = Thing("r1", routes=[ours, other])
    kind = "openstack:networking/routerRoutesV2:RouterRoutesV2"
    wanted = [{"destinationCidr": "10.0.0.0/8", "nextHop": "10.1.0.9"}, {"destinationCidr": "10.2.0.0/16", "nextHop": "10.1.0.9"}]
    assert orphans.remove(connection, kind, {"routerId": "r1", "routes": wanted}) == ("r1",)
    connection.network.remove_extra_routes_from_router.assert_called_once_with("r1", body={"router": {"routes": [ours]}})
    connection.network.find_router.return_value = Thing("r1", routes=None)
    assert orphans.remove(connection, kind, {"routerId": "r1", "routes": wanted}) == ()
    connection.network.find_router.return_value = None
    assert orphans.remove(connection, kind, {"routerId": "r1", "routes": wanted}) == ()


def test_an_orphaned_domain_is_switched_off_before_it_is_removed() -> None:
    connection = MagicMock()
    connection.identity.domains.return_value = [Thing("d1")]
    assert orphans.remove(connection, "openstack:identity/project:Project", {"name": "lab-edu", "isDomain": True}) == ("d1",)
    names = [call[0] for call in connection.identity.mock_calls]
    assert names.index("update_domain") < names.index("delete_domain")


def test_an_orphaned_zone_of_another_project_is_removed_and_waited_for() -> None:
    connection = MagicMock()
    zone, others = Thing("z1", project_id="p1"), Thing("z2", project_id="p2")
    connection.dns.zones.side_effect = [[zone, others], [zone], []]
    connection.dns.delete.return_value = MagicMock(status_code=202)
    assert orphans.remove(connection, "openstack:dns/zone:Zone", {"name": "lab.example.", "projectId": "p1"}) == ("z1",)
    headers = {"X-Auth-All-Projects": "true", "X-Designate-Delete-Shares": "true"}
    connection.dns.delete.assert_called_once_with("/zones/z1", headers=headers)
    assert connection.dns.zones.call_count == 3


@pytest.mark.parametrize("kind", ["openstack:identity/roleAssignment:RoleAssignment", "openstack:compute/quotaSetV2:QuotaSetV2"])
def test_kinds_that_may_be_asked_for_twice_need_nothing(kind: str) -> None:
    connection = MagicMock()
    assert orphans.remove(connection, kind, {}) == ()
    assert connection.mock_calls == []


def test_every_kind_that_the_components_make_is_either_removable_or_repeatable() -> None:
    repeatable = {
        "RoleAssignment",
        "InheritRoleAssignment",
        "UserMembershipV3",
        "QuotaSetV2",
        "QuotaV2",
        "QuoteSetV3",
        "Quota",
    }
    called = re.compile(r"\b(?:identity|networking|compute|blockstorage|loadbalancer|dns)\.([A-Z]\w+)\(")
    made = {name for path in (CHECKOUT / "components").glob("*.py") for name in called.findall(path.read_text())}
    made -= {name for name in made if name.endswith("Args")} | repeatable
    assert {"Network", "Instance", "Port"} <= made
    removable = {kind.rsplit(":", 1)[-1] for kind in orphans.FINDERS}
    assert made <= removable, made - removable
