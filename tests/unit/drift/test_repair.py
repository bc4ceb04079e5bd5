"""How each difference is put right: by removing, by setting, by its stack, or not at all; and in which order."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast
from unittest.mock import MagicMock

import pytest
from openstack.block_storage.v3.volume import Volume
from openstack.compute.v2 import _proxy as compute
from openstack.dns.v2 import _proxy as dns
from openstack.exceptions import ConflictException, HttpException, NotFoundException
from openstack.identity.v3 import _proxy as identity
from openstack.image.v2.image import Image
from openstack.network.v2 import _proxy as network
from openstack.network.v2.port import Port
from openstack.network.v2.security_group import SecurityGroup
from openstack.proxy import Proxy
from requests import Response

from foundation import stopping
from foundation.errors import LzError, Problem
from landing_zone.drift import repair
from landing_zone.drift.facts import Difference, Fact
from landing_zone.engine import limits
from landing_zone.engine.stack import StackKey

EDU = StackKey("lab", "north", "tenant-edu")


def by_hand(kind: str, name: str = "x", **at: str) -> Difference:
    return Difference("north", "not in the model", Fact(kind, name, "tenant-edu", {}, f"id of {name}", "", at))


def changed(kind: str, *attributes: str) -> Difference:
    return Difference("north", "changed", Fact(kind, "x", "tenant-edu", {}, "id of x"), (), True, attributes)


def planned(*differences: Difference, named: tuple[str, ...] = ()) -> repair.Repair:
    return repair.plan("lab", differences, named)


def test_what_others_hang_on_to_is_removed_first() -> None:
    kinds = ["network", "security group", "subnet", "port", "trunk", "security group rule", "router", "router interface", "share"]
    removed = [one.fact.kind for one in planned(*map(by_hand, kinds)).remove]
    assert removed == ["share", "router interface", "trunk", "port", "security group rule", "security group", "router", "subnet", "network"]


@pytest.mark.parametrize(
    "kind", ["instance", "volume", "snapshot", "backup", "image", "container", "secret", "load balancer", "DNS zone", "project"]
)
def test_what_holds_data_is_removed_only_when_it_is_named(kind: str) -> None:
    left = planned(by_hand(kind), named=("another",))
    assert left == repair.Repair(leave=left.leave)
    assert "--yes-delete-data 'x'" in left.leave[0][1]
    assert [one.fact.kind for one in planned(by_hand(kind), named=("x",)).remove] == [kind]
    assert [one.fact.kind for one in planned(by_hand(kind), named=("id of x",)).remove] == [kind]


def test_what_was_changed_or_deleted_is_its_stacks_business() -> None:
    missing = Difference("north", "missing", Fact("route", "x", "tenant-edu"))
    assert planned(changed("network", "description")) == repair.Repair(restore=frozenset({EDU}))
    assert planned(missing) == repair.Repair(restore=frozenset({EDU}), remade=frozenset({EDU}))


def test_what_no_stack_writes_is_set() -> None:
    disabled = changed("project", "enabled")
    both = changed("project", "description", "enabled")
    assert planned(disabled) == repair.Repair(set=(disabled,))
    assert planned(both) == repair.Repair(set=(both,), restore=frozenset({EDU}))


def test_an_instance_that_is_switched_off_is_started_and_waited_for() -> None:
    off = changed("instance", "running")
    assert planned(off) == repair.Repair(set=(off,))
    connection = MagicMock()
    assert repair.carry_out(planned(off), {"north": connection}) == []
    assert [call[0] for call in connection.compute.method_calls] == ["get_server", "start_server", "wait_for_server"]


@pytest.mark.parametrize(("status", "call"), [("PAUSED", "unpause"), ("SUSPENDED", "resume"), ("SHELVED_OFFLOADED", "unshelve")])
def test_an_instance_that_does_not_run_is_brought_back_by_what_its_state_asks_for(status: str, call: str) -> None:
    connection = MagicMock()
    connection.compute.get_server.return_value.status = status
    assert repair.carry_out(planned(changed("instance", "running")), {"north": connection}) == []
    assert [call[0] for call in connection.compute.method_calls] == ["get_server", f"{call}_server", "wait_for_server"]


def test_an_instance_of_another_image_is_made_anew_by_its_stack() -> None:
    assert planned(changed("instance", "image")) == repair.Repair(restore=frozenset({EDU}))


@pytest.mark.parametrize(
    ("wanted", "outer"), [(None, {}), ("public", {"network_id": "id of public", "enable_snat": True})], ids=["none", "one"]
)
def test_a_gateway_which_no_stack_takes_away_is_set(wanted: str | None, outer: dict[str, object]) -> None:
    fact = Fact("router", "x", "tenant-edu", {"external network": wanted, "snat": wanted is not None}, "r")
    connection = MagicMock()
    connection.network.find_network.return_value.id = "id of public"
    both = repair.plan("lab", [Difference("north", "changed", fact, (), True, ("external network", "snat"))], ())
    assert len(both.set) == 1
    assert both.restore == {EDU}, "its stack learns of it"
    assert repair.carry_out(both, {"north": connection}) == []
    connection.network.update_router.assert_called_once_with("r", external_gateway_info=outer)


OF_ALL = {"X-Auth-All-Projects": "true"}
ASKED: dict[str, tuple[str, str, dict[str, Any] | None, dict[str, str]]] = {
    "role assignment": ("DELETE", "/projects/p/groups/g/roles/r", None, {}),
    "group membership": ("DELETE", "groups/g/users/u", None, {}),
    "application credential": ("DELETE", "users/u/application_credentials/x", None, {}),
    "trust": ("DELETE", "OS-TRUST/trusts/x", None, {}),
    "access key": ("DELETE", "credentials/c", None, {}),
    "key pair": ("DELETE", "os-keypairs/k?user_id=u", None, {}),
    "DNS record": ("DELETE", "/zones/z/recordsets/x", None, OF_ALL),
    "DNS zone share": ("DELETE", "/zones/z/shares/x", None, OF_ALL),
    "DNS zone transfer": ("DELETE", "/zones/tasks/transfer_requests/x", None, OF_ALL),
    "share": ("DELETE", "rbac-policies/x", None, {}),
    "floating address": ("DELETE", "floatingips/x", None, {}),
    "port security": ("PUT", "ports/x", {"port": {"allowed_address_pairs": [], "port_security_enabled": True}}, {}),
    "server group": ("DELETE", "os-server-groups/x", None, {}),
    "router interface": ("PUT", "routers/r/remove_router_interface", {"port_id": "x"}, {}),
    "port": ("DELETE", "ports/x", None, {}),
    "security group rule": ("DELETE", "security-group-rules/x", None, {}),
    "security group": ("DELETE", "security-groups/x", None, {}),
    "router": ("DELETE", "routers/x", None, {}),
    "subnet": ("DELETE", "subnets/x", None, {}),
    "network": ("DELETE", "networks/x", None, {}),
    "subnet pool": ("DELETE", "subnetpools/x", None, {}),
    "address scope": ("DELETE", "address-scopes/x", None, {}),
    "user": ("DELETE", "users/x", None, {}),
    "group": ("DELETE", "groups/x", None, {}),
    "domain: enabled": ("PATCH", "domains/x", {"domain": {"enabled": True}}, {}),
    "project: enabled": ("PATCH", "projects/x", {"project": {"enabled": True}}, {}),
    "user: enabled": ("PATCH", "users/x", {"user": {"enabled": True}}, {}),
    "subnet: host routes": ("PUT", "subnets/x", {"subnet": {"host_routes": []}}, {}),
}
"""What a service is asked to put one thing right: of what is not in the model its kind, of a setting that differs that too."""


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str, object, object]]:
    """Every request that the library sends: method, path, body, and who is asked for."""
    asked: list[tuple[str, str, object, object]] = []

    def request(_: Proxy, url: str, method: str, **more: Any) -> Response:
        asked.append((method, url, more.get("json"), {key: text for key, text in (more.get("headers") or {}).items() if key in OF_ALL}))
        answer = Response()
        answer.status_code, answer._content = 200, b"{}"
        answer.headers["content-type"] = "application/json"
        return answer

    monkeypatch.setattr(Proxy, "request", request)
    monkeypatch.setattr(Proxy, "get_endpoint_data", lambda *_, **__: None)
    return asked


@pytest.mark.parametrize("what", ASKED)
def test_each_thing_is_put_right_by_one_request(service: list[tuple[str, str, object, object]], what: str) -> None:
    kind, _, setting = what.partition(": ")
    at = {"path": "/projects/p/groups/g/roles/r", "user": "u", "group": "g", "id": "c", "name": "k", "zone": "z", "router": "r"}
    fact = Fact(kind, "n", "tenant-edu", {}, "x", "", at)
    one = Difference("north", "changed" if setting else "not in the model", fact, (), bool(setting), (setting,) if setting else ())
    services = {"identity": identity, "network": network, "compute": compute, "dns": dns}
    cloud: Any = SimpleNamespace(**{name: module.Proxy(MagicMock()) for name, module in services.items()})
    assert repair.carry_out(planned(one), {"north": cloud}) == []
    assert service == [ASKED[what]]


@pytest.mark.parametrize("limit", ["secrets", "containers", "bytes"])
def test_a_limit_is_set_by_its_own_service(limit: str, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    for name in ("object-store", "key-manager"):
        monkeypatch.setitem(cast("dict[str, object]", limits.WRITERS), name, lambda *_, name=name: asked.append(name))
    one = Difference("north", "changed", Fact("quota", "x", "tenant-edu", {}, "", "p"), (), True, (limit,))
    assert repair.carry_out(planned(one), {"north": MagicMock()}) == []
    assert asked == ["object-store" if limit == "bytes" else "key-manager"]


def test_limits_that_the_provider_cannot_set_are_set() -> None:
    fact = Fact("quota", "key-manager of lab-edu-main", "tenant-edu", {"secrets": 20, "containers": 20}, "", "p")
    one = Difference("north", "changed", fact, (), True, ("secrets",))
    assert planned(one) == repair.Repair(set=(one,))
    connection = MagicMock()
    connection.key_manager.put.return_value = Response()
    connection.key_manager.put.return_value.status_code = 204
    assert repair.carry_out(planned(one), {"north": connection}) == []
    body = {"project_quotas": {"secrets": 20, "containers": 20}}
    connection.key_manager.put.assert_called_once_with("/project-quotas/p", json=body)


def test_what_an_earlier_up_made_is_removed_by_its_stack() -> None:
    earlier = Difference("north", "not in the model", Fact("network", "x", "tenant-edu", {}, "id"), managed=True)
    assert planned(earlier) == repair.Repair(restore=frozenset({EDU}))


def test_a_whole_stack_that_nobody_asks_for_is_left() -> None:
    gone = Difference("north", "not in the model", Fact("stack", "lab.north.tenant-gone", "tenant-gone"), managed=True)
    left = planned(gone)
    assert left == repair.Repair(leave=left.leave)
    assert "lz down --layer tenant-gone" in left.leave[0][1]


def test_what_the_cloud_refuses_is_told_and_the_rest_is_done() -> None:
    connection = MagicMock()
    connection.network.delete_port.side_effect = ConflictException("in use")
    (problem,) = repair.carry_out(planned(by_hand("port"), by_hand("share", "y")), {"north": connection})
    assert problem.what == "port x could not be removed"
    assert "in use" in problem.why
    connection.network.delete_rbac_policy.assert_called_once_with("id of y")


def test_a_zone_that_does_not_go_away_is_told_and_the_rest_is_done(monkeypatch: pytest.MonkeyPatch) -> None:
    connection = MagicMock()
    monkeypatch.setattr(repair, "remove_zone", MagicMock(side_effect=LzError(Problem("DNS zone x does not go away"))))
    (problem,) = repair.carry_out(planned(by_hand("DNS zone"), by_hand("group", "y"), named=("x",)), {"north": connection})
    assert problem.what == "DNS zone x does not go away"
    connection.identity.delete_group.assert_called_once_with("id of y")


def test_only_the_one_route_is_taken_away() -> None:
    connection = MagicMock()
    route = by_hand("route", router="r", destination="10.0.0.0/8", nexthop="10.1.1.1")
    assert repair.carry_out(planned(route), {"north": connection}) == []
    body = {"router": {"routes": [{"destination": "10.0.0.0/8", "nexthop": "10.1.1.1"}]}}
    connection.network.remove_extra_routes_from_router.assert_called_once_with("r", body=body)


def test_a_membership_is_made_anew_by_us_since_its_stack_cannot_read_that_it_is_gone() -> None:
    gone = Difference("north", "missing", Fact("group membership", "x", "tenant-edu", {}, "", "g", {"group": "g", "user": "u"}))
    assert planned(gone) == repair.Repair(set=(gone,))
    connection = MagicMock()
    assert repair.carry_out(planned(gone), {"north": connection}) == []
    connection.identity.add_user_to_group.assert_called_once_with("u", "g")


def test_a_membership_of_an_account_that_is_gone_too_is_left_to_the_stack() -> None:
    gone = Difference("north", "missing", Fact("group membership", "x", "tenant-edu", {}, "", "", {"group": "g", "user": ""}))
    assert planned(gone) == repair.Repair(restore=frozenset({EDU}), remade=frozenset({EDU}))


def test_a_token_that_went_with_a_grant_is_asked_for_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(repair, "REVOKED", 0)
    connection = MagicMock()
    refusal = HttpException("who are you", http_status=401)
    connection.network.delete_port.side_effect = [refusal, None]
    assert repair.carry_out(planned(by_hand("port")), {"north": connection}) == []
    connection.network.delete_port.side_effect = [refusal, refusal]
    (problem,) = repair.carry_out(planned(by_hand("port")), {"north": connection})
    assert "who are you" in problem.why


@pytest.mark.parametrize("kind", ["volume", "snapshot", "backup"])
def test_cinder_is_given_time_before_what_comes_next(kind: str) -> None:
    connection = MagicMock()
    there = getattr(connection.block_storage, f"get_{kind}").return_value
    assert repair.carry_out(planned(by_hand(kind), named=("x",)), {"north": connection}) == []
    calls = [call[0] for call in connection.block_storage.method_calls]
    assert [name for name in calls if not name.startswith("get_")] == [f"delete_{kind}", "wait_for_delete"]
    assert connection.block_storage.wait_for_delete.call_args.args == (there,)


@pytest.mark.parametrize("kind", ["volume", "snapshot"])
def test_a_volume_that_is_offered_to_another_project_is_taken_back_before_it_or_its_snapshot_goes(kind: str) -> None:
    connection = MagicMock()
    cinder = connection.block_storage
    cinder.get_snapshot.return_value.volume_id = "v"
    cinder.get_volume.return_value = Volume.existing(id="v", status="awaiting-transfer")
    cinder.get.return_value.status_code = cinder.delete.return_value.status_code = 200
    cinder.get.return_value.json.return_value = {"transfers": [{"id": "t", "volume_id": "v"}, {"id": "u", "volume_id": "another"}]}
    assert repair.carry_out(planned(by_hand(kind), named=("x",)), {"north": connection}) == []
    assert cinder.get.call_args.kwargs == {"params": {"all_tenants": "1"}}
    calls = [call for call in cinder.method_calls if call[0] in {"delete", f"delete_{kind}"}]
    assert [call.args for call in calls] == [("/os-volume-transfer/t",), ("id of x",)]


def test_the_rules_that_name_an_address_group_go_before_it() -> None:
    connection = MagicMock()
    naming = MagicMock()
    connection.network.security_group_rules.return_value = [naming]
    assert repair.carry_out(planned(by_hand("address group")), {"north": connection}) == []
    assert connection.network.method_calls[0].kwargs == {"remote_address_group_id": "id of x"}
    assert [(call[0], call.args) for call in connection.network.method_calls[1:]] == [
        ("delete_security_group_rule", (naming,)),
        ("delete_address_group", ("id of x",)),
    ]


def test_a_trunk_that_is_switched_off_goes_too() -> None:
    connection = MagicMock()
    assert repair.carry_out(planned(by_hand("trunk")), {"north": connection}) == []
    assert [call[0] for call in connection.network.method_calls] == ["update_trunk", "delete_trunk"]


def test_a_project_is_not_removed_while_something_is_in_it_that_nobody_would_find_afterwards() -> None:
    connection = MagicMock()
    cinder, neutron = connection.block_storage, connection.network
    cinder.volumes.return_value = [Volume.existing(id="v", name="papers", project_id="id of x")]
    connection.image.images.return_value = [Image.existing(id="i", name="elsewhere", owner_id="another")]
    neutron.security_groups.return_value = [SecurityGroup.existing(id="g", name="default", project_id="id of x")]
    neutron.ports.return_value = [Port.existing(id="l", name="leg", project_id="id of x")]
    (problem,) = repair.carry_out(planned(by_hand("project"), named=("x",)), {"north": connection})
    assert problem.why == "ConflictException: it is not empty: volume papers, port leg"
    connection.identity.delete_project.assert_not_called()
    cinder.volumes.return_value = neutron.ports.return_value = []
    assert repair.carry_out(planned(by_hand("project"), named=("x",)), {"north": connection}) == []
    connection.identity.delete_project.assert_called_once_with("id of x")


def test_a_project_is_looked_into_by_the_services_that_the_region_has() -> None:
    connection = MagicMock()
    connection.has_service.side_effect = lambda service: service != "dns"
    connection.dns.zones.side_effect = ConflictException("there is none")
    assert repair.carry_out(planned(by_hand("project"), named=("x",)), {"north": connection}) == []


def test_octavia_is_given_time_to_end_what_it_does_and_before_what_comes_next(monkeypatch: pytest.MonkeyPatch) -> None:
    paused: list[float] = []
    monkeypatch.setattr(stopping, "pause", paused.append)
    connection = MagicMock()
    balancer = connection.load_balancer.get_load_balancer.return_value
    balancer.fetch.side_effect = NotFoundException("gone")
    connection.load_balancer.delete_load_balancer.side_effect = [ConflictException("immutable"), None]
    assert repair.carry_out(planned(by_hand("load balancer"), named=("x",)), {"north": connection}) == []
    connection.load_balancer.delete_load_balancer.assert_called_with(balancer, cascade=True)
    assert paused == [1]
    balancer.fetch.assert_called_once()


def test_what_another_of_its_kind_hung_on_to_goes_when_that_is_gone() -> None:
    connection = MagicMock()
    there = ["id of full", "id of incremental"]

    def delete(identity: str) -> None:
        if identity == there[0] and len(there) > 1:
            raise ConflictException("incremental backups exist")
        there.remove(identity)

    connection.block_storage.get_backup.side_effect = lambda identity: identity
    connection.block_storage.delete_backup.side_effect = delete
    chain = planned(by_hand("backup", "full"), by_hand("backup", "incremental"), named=("full", "incremental"))
    assert repair.carry_out(chain, {"north": connection}) == []
    assert there == []
