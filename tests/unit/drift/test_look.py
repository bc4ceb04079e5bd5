"""What was read and found, told as results of controls: pass, fail, could not be evaluated."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any
from unittest.mock import MagicMock

import pytest
import yaml
from keystoneauth1.exceptions import ConnectFailure
from openstack.block_storage.v3.quota_set import QuotaSet as VolumeQuota
from openstack.compute.v2.quota_set import QuotaSet as ComputeQuota
from openstack.connection import Connection
from openstack.exceptions import HttpException, NotFoundException
from openstack.identity.v3.domain import Domain
from openstack.identity.v3.group import Group
from openstack.identity.v3.project import Project
from openstack.identity.v3.trust import Trust
from openstack.identity.v3.user import User
from openstack.load_balancer.v2.quota import Quota as LoadBalancerQuota
from openstack.network.v2.network import Network
from openstack.network.v2.quota import Quota as NetworkQuota
from requests import Response

from landing_zone.drift import look
from landing_zone.drift import reading as reading_of
from landing_zone.drift.estate import estate
from landing_zone.drift.facts import Difference, Fact
from landing_zone.drift.kinds import KINDS
from landing_zone.drift.look import Sight
from landing_zone.drift.reading import EACH, LISTS, Reading, read
from landing_zone.engine.credentials import file_of
from landing_zone.engine.home import Home
from landing_zone.engine.runs import Run, Selection
from landing_zone.engine.stack import StackKey
from landing_zone.planners.plan import RegionPlan
from landing_zone.proof.results import Verdict, worst
from stacks.identity import quota_args
from stacks.inputs import password_name
from tests.unit.drift.cloud import assignment, cloud_of
from tests.unit.planners.support import planned

ROUTE = Fact("route", "r: a via b", "network", {}, "", "", {})
SERVICES = ("network", "compute", "block-storage", "load-balancer", "dns")


def test_each_difference_fails_and_each_kind_without_one_passes() -> None:
    sight = Sight("north", {"route": 4, "network": 3}, (Difference("north", "missing", ROUTE),), {})
    found = look.results([sight])
    assert [(one.control, one.verdict, one.check.split(",")[0], one.seen) for one in found] == [
        ("NET-04", Verdict.FAIL, "network: route r: a via b", "missing"),
        ("NET-01", Verdict.PASS, "every network is as the model says", "3 of the model"),
    ]
    assert worst(found) is Verdict.FAIL


def test_what_could_not_be_read_does_not_pass() -> None:
    found = look.results([Sight("north", {"route": 4, "network": 3}, (), {"route": "500"})])
    assert [(one.verdict, one.seen) for one in found] == [(Verdict.UNKNOWN, "500"), (Verdict.PASS, "3 of the model")]
    assert worst(found) is Verdict.UNKNOWN


def connection(**broken: Any) -> MagicMock:
    """A cloud that has nothing; `broken` services raise for one of their lists."""
    made = MagicMock()
    made.dns.get.return_value.json.return_value = {"recordsets": []}
    made.dns.get.return_value.status_code = 200
    for service, method in broken.items():
        getattr(getattr(made, service), method).side_effect = HttpException("not now")
    return made


def test_a_shared_zone_that_goes_meanwhile_keeps_nothing_from_being_read() -> None:
    cloud = connection()
    cloud.dns.zones.return_value = [MagicMock(id="gone", is_shared=True), MagicMock(id="there", is_shared=True)]
    cloud.dns.zone_shares.side_effect = [NotFoundException("gone"), ["a share"]]
    assert read(cloud, estate(planned("lab").regions["north"]), SERVICES).lists["DNS zone shares"] == ["a share"]


def test_an_instance_that_nova_has_deleted_but_still_lists_is_none() -> None:
    """`lz down` right after `lz verify` would take its probe for somebody else's."""
    cloud = connection()
    cloud.compute.servers.return_value = [MagicMock(id="gone", status="DELETED"), MagicMock(id="off", status="SHUTOFF")]
    reading = read(cloud, estate(planned("lab").regions["north"]), SERVICES)
    assert [one.id for one in reading.lists["instances"]] == ["off"]


def test_records_are_read_to_the_last_page(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading_of, "PAGE", 2)
    cloud = connection()
    cloud.dns.get.return_value.json.side_effect = [{"recordsets": [{"id": one} for one in page]} for page in ("ab", "cd", "e")]
    services = ("network", "dns")
    monkeypatch.setattr(reading_of, "EACH", {})
    reading = read(cloud, estate(planned("lab").regions["north"]), services)
    assert "".join(one["id"] for one in reading.lists["DNS records"]) == "abcde"
    assert [call.kwargs["params"] for call in cloud.dns.get.call_args_list] == [
        {"limit": "2"}, {"limit": "2", "marker": "b"}, {"limit": "2", "marker": "d"},
    ]  # fmt: skip
    assert all(call.kwargs["headers"] == {"X-Auth-All-Projects": "true"} for call in cloud.dns.get.call_args_list)


def test_services_that_list_ones_own_project_are_asked_for_all() -> None:
    cloud = connection()
    read(cloud, estate(planned("lab").regions["north"]), (*SERVICES, "image"))
    for lister in (
        cloud.compute.servers, cloud.compute.server_groups, cloud.block_storage.volumes, cloud.block_storage.snapshots,
        cloud.block_storage.backups,
    ):  # fmt: skip
        lister.assert_called_once_with(all_projects=True)
    assert {call.kwargs["all_projects"] for call in cloud.dns.zones.call_args_list} == {True}
    cloud.dns.zone_transfer_requests.assert_called_once_with(all_projects=True, status="ACTIVE")
    cloud.image.images.assert_called_once_with(visibility="all")


def test_what_no_service_lists_for_all_is_read_for_what_is_ours_alone() -> None:
    cloud, region = connection(), planned("lab").regions["north"]
    cloud.identity.domains.return_value = [Domain.existing(id="d", name="lab-edu"), Domain.existing(id="other", name="other")]
    for source, name, thing in (("projects", "main", Project), ("users", "automation", User), ("groups", "automation", Group)):
        both = [thing.existing(id=f"{source} of {domain}", name=f"lab-edu-{name}", domain_id=domain) for domain in ("d", "other")]
        getattr(cloud.identity, source).return_value = both
    cloud.compute.keypairs.side_effect = lambda user_id: [f"key of {user_id}"]
    cloud.identity.application_credentials.side_effect = lambda user: [f"credential of {user}"]
    cloud.identity.group_users.side_effect = lambda group: [f"member of {group}"]
    args = quota_args(region.tenants["edu"].identity.projects[-1].quota, region.demand.services)
    compute, volume, balancer, dns = (asdict(part) for part in (args.compute, args.volume, args.load_balancer, args.dns) if part)
    cloud.compute.get_quota_set.return_value = ComputeQuota.existing(**compute)
    cloud.block_storage.get_quota_set.return_value = VolumeQuota.existing(**volume)
    cloud.network.quotas.return_value = [NetworkQuota.existing(id="p", project_id="p", **asdict(args.network))]
    octavias = {"load_balancer" if key == "loadbalancer" else key: limit for key, limit in balancer.items()}
    cloud.load_balancer.quotas.return_value = [LoadBalancerQuota.existing(project_id="p", **octavias)]
    cloud.dns.get.return_value.json.side_effect = lambda: {"recordsets": [], **dns}
    lists = read(cloud, estate(region), SERVICES).lists
    assert lists["key pairs"] == [("users of d", "key of users of d")]
    assert lists["application credentials"] == [("users of d", "credential of users of d")]
    assert lists["members"] == [("groups of d", "member of groups of d")]
    limits = {"compute": compute, "block-storage": volume, "network": asdict(args.network), "load-balancer": balancer, "dns": dns}
    for service, figures in limits.items():
        ((whose, told),) = lists[f"{service} quotas"]
        assert whose == ("p" if service in {"network", "load-balancer"} else "projects of d")
        assert {key: told.get(key) for key in figures} == figures, service
    of_dns = [call for call in cloud.dns.get.call_args_list if call.args == ("/quotas/projects of d",)]
    assert [call.kwargs["headers"] for call in of_dns] == [{"X-Auth-All-Projects": "true"}]


def test_what_designate_refuses_is_not_read_as_an_answer() -> None:
    cloud = connection()
    cloud.identity.domains.return_value = [Domain.existing(id="d", name="lab-edu")]
    cloud.identity.projects.return_value = [Project.existing(id="p", name="lab-edu-main", domain_id="d")]
    cloud.dns.get.return_value = Response()
    cloud.dns.get.return_value.status_code = 403
    cloud.dns.get.return_value._content = b'{"recordsets": []}'
    assert {"DNS records", "dns quotas"} <= set(read(cloud, estate(planned("lab").regions["north"]), SERVICES).faults)


@pytest.mark.parametrize("error", [HttpException("not now"), ConnectFailure("not now")])
def test_a_source_that_fails_is_a_fault_and_the_rest_is_read(error: Exception) -> None:
    cloud = connection()
    cloud.network.routers.side_effect = error
    reading = read(cloud, estate(planned("lab").regions["north"]), SERVICES)
    assert list(reading.faults) == ["routers"]
    assert "not now" in reading.faults["routers"]
    assert "ports" in reading.lists


def test_without_projects_nothing_can_be_judged() -> None:
    with pytest.raises(HttpException):
        read(connection(identity="projects"), estate(planned("lab").regions["north"]), SERVICES)


def test_a_service_that_the_region_is_not_planned_to_have_is_not_asked() -> None:
    cloud = connection()
    reading = read(cloud, estate(planned("lab").regions["north"]), ("network", "compute"))
    cloud.load_balancer.load_balancers.assert_not_called()
    assert "volumes" not in reading.lists


def test_what_neutron_has_by_an_extension_is_not_asked_of_one_without_it() -> None:
    cloud = connection()
    cloud.network.find_extension.return_value = None
    cloud.network.address_groups.side_effect = HttpException("404")
    reading = read(cloud, estate(planned("lab").regions["north"]), SERVICES)
    assert reading.faults == {}
    assert reading.lists["address groups"] == []


def test_trusts_that_ended_are_left_out_since_keystone_lists_them_and_does_not_know_them() -> None:
    cloud = connection()
    cloud.identity.trusts.return_value = [
        Trust.existing(id="for ever"),
        Trust.existing(id="lasting", expires_at="2126-01-01T00:00:00.000000Z", remaining_uses=1),
        Trust.existing(id="over", expires_at="2026-01-01T00:00:00.000000Z"),
        Trust.existing(id="used up", remaining_uses=0),
    ]
    reading = read(cloud, estate(planned("lab").regions["north"]), SERVICES)
    assert [one.id for one in reading.lists["trusts"]] == ["for ever", "lasting"]


def resource(kind: str, name: str, identity: str, **inputs: str) -> dict[str, Any]:
    return {"type": kind, "urn": f"urn:pulumi:s::p::{kind}::{name}", "id": identity, "inputs": inputs}


def test_shares_of_a_network_and_of_a_group_of_the_same_name_are_told_apart() -> None:
    state = [resource(look.SHARE, "x--y", kind, objectType=kind) for kind in ("network", "security_group")]
    assert look.known_ids([state]) == {(look.SHARE, "network x--y"): "network", (look.SHARE, "security_group x--y"): "security_group"}


class States:
    """States of stacks, as `Stacks` reads them."""

    def __init__(self, states: dict[str, list[dict[str, Any]]], home: Home) -> None:
        self._states = states
        self.home = home

    def standing(self) -> frozenset[str]:
        return frozenset(self._states)

    def resources(self, key: StackKey) -> list[dict[str, Any]]:
        return self._states.get(key.name, [])


def entry(identity: str) -> dict[str, Any]:
    """An application credential in its file."""
    auth = {"application_credential_id": identity, "application_credential_secret": "x"}
    return {"auth": auth, "landing_zone": {"user": "u", "ends": "2026-04-01T00:00:00Z"}}


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Run:
    """North is as it is planned, but nothing of the portal was ever made, and something stands that nobody asks for."""
    cloud = cloud_of("lab", "north")
    everything = [
        resource(kind, name.split(" ")[-1], identity, objectType=name.split(" ")[0])
        for (kind, name), identity in cloud.ids.items()
        if kind != KINDS["application credential"].resource  # no state knows these
    ]
    there = {f"lab.north.{layer}": everything for layer in ("identity", "network", "access", "tenant-edu", "tenant-health")}
    states: Any = States(there, Home(tmp_path))
    for tenant in ("edu", "health"):
        entries = {f"lab-{tenant}-main-{role}": entry(f"ac:lab-{tenant}-main-{role}") for role in ("member", "reader")}
        file_of(states.home, "north", tenant).write_text(yaml.safe_dump({"clouds": entries}))
    states._states["lab.north.tenant-gone"] = [resource("x", "y", "z")]
    monkeypatch.setattr(look, "read", lambda *_: Reading(cloud.lists, {}))
    monkeypatch.setattr(look, "accounts", lambda *_: {})
    return Run(planned("lab"), states, {}, {"north": MagicMock()}, lambda _: None)


def test_layers_that_were_never_made_and_stacks_that_nobody_asks_for_are_told_once(run: Run) -> None:
    (sight,) = look.look(run, Selection())
    stacks = [(one.finding, one.fact.name) for one in sight.differences if one.fact.kind == "stack"]
    assert stacks == [("missing", "lab.north.tenant-portal"), ("not in the model", "lab.north.tenant-gone")]
    assert sight.counts["stack"] == 6
    assert {one.fact.layer for one in sight.differences} == {"tenant-portal", "tenant-gone"}


def test_what_a_stack_has_made_that_nobody_asks_for_is_told_by_that_stack_alone(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    cloud = cloud_of("lab", "north")
    cloud.add("networks", Network.existing(id="z", name="lab-gone-data", project_id="p:lab-platform-network"))
    cloud.add("assignments", assignment("group", "g:lab-platform-auditors", "reader", {"domain": {"id": "z"}}))
    monkeypatch.setattr(look, "read", lambda *_: Reading(cloud.lists, {}))
    (sight,) = look.look(run, Selection())
    assert {one.fact.kind for one in sight.differences if one.fact.layer != "tenant-portal"} == {"stack"}


def test_probes_that_still_stand_are_no_stack_that_nobody_asks_for(run: Run) -> None:
    states: Any = run.stacks
    states._states["lab.north.probes"] = [resource("x", "y", "of a probe")]
    (sight,) = look.look(run, Selection(layers=frozenset({"probes"})))
    assert "stack" not in {one.fact.kind for one in sight.differences}


@pytest.mark.parametrize("source", [*LISTS, *EACH])
def test_what_cannot_be_read_makes_nothing_look_otherwise_than_it_is(run: Run, monkeypatch: pytest.MonkeyPatch, source: str) -> None:
    """`--fix` would make good what nobody has touched."""
    lists = {each: things for each, things in cloud_of("lab", "north").lists.items() if each != source}
    monkeypatch.setattr(look, "read", lambda *_: Reading(lists, {source: "500"}))
    (sight,) = look.look(run, Selection())
    assert {one.fact.layer for one in sight.differences} <= {"tenant-portal", "tenant-gone"}
    assert "500" in sight.unread.values()


@pytest.mark.parametrize("error", [HttpException("not now"), ConnectFailure("no route")])
def test_of_a_region_that_cannot_be_read_nothing_passes(run: Run, monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    monkeypatch.setattr(look, "read", MagicMock(side_effect=error))
    found = look.results(look.look(run, Selection()))
    assert {(one.verdict, str(error) in one.seen) for one in found} == {(Verdict.UNKNOWN, True)}


def test_what_is_stored_is_not_judged_without_the_password_of_who_could_look_there(run: Run) -> None:
    (sight,) = look.look(run, Selection())
    assert set(sight.unread) == {"container", "secret"}
    assert "lab-platform-automation" in sight.unread["secret"]
    run.stacks.home.secret(password_name("north", "lab-platform-automation"))
    (sight,) = look.look(run, Selection())
    assert sight.unread == {}


def test_what_is_stored_is_looked_for_in_projects_of_the_operator_but_not_where_lz_itself_signs_in(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[set[str]] = []

    def accounts(run: Run, region: RegionPlan, projects: dict[str, str]) -> dict[str, Connection]:
        asked.append(set(projects))
        return {}

    monkeypatch.setattr(look, "accounts", accounts)
    look.look(run, Selection())
    own: Any = run.connections["north"]
    own.current_project_id = "p:lab-edu-network"
    look.look(run, Selection())
    before, after = asked
    assert before - after == {"lab-edu-network"}
    assert "lab-platform-management" in after
    assert "lab-edu-main" not in before


def test_an_application_credential_that_no_file_knows_is_missing_and_another_in_its_place_is_found(run: Run) -> None:
    file_of(run.stacks.home, "north", "edu").unlink()
    (sight,) = look.look(run, Selection(tenants=frozenset({"edu"})))
    assert [(one.finding, one.fact.name) for one in sight.differences] == [
        ("missing", "lab-edu-main-member of lab-edu-automation"),
        ("not in the model", "lab-edu-main-member-20260101T000000000000Z of lab-edu-automation"),
        ("missing", "lab-edu-main-reader of lab-edu-automation"),
        ("not in the model", "lab-edu-main-reader-20260101T000000000000Z of lab-edu-automation"),
    ]


def test_only_the_chosen_part_is_told(run: Run) -> None:
    (sight,) = look.look(run, Selection(tenants=frozenset({"edu"})))
    assert sight.differences == ()
    assert sight.counts["stack"] == 1
    groups = run.plan.regions["north"].tenants["edu"].network.security_groups
    assert sight.counts["security group rule"] == sum(len(group.rules) for group in groups)


def test_stacks_of_a_region_that_the_file_no_longer_has_are_named(run: Run) -> None:
    states: Any = run.stacks
    states._states |= {"lab.east.identity": [resource("x", "y", "z")], "lab.east.tenant-edu": [resource("x", "y", "z")]}
    (_, east) = look.look(run, Selection())
    assert [(one.region, one.finding, one.fact.name) for one in east.differences] == [
        ("east", "not in the model", "lab.east.identity"),
        ("east", "not in the model", "lab.east.tenant-edu"),
    ]
    assert worst(look.results([east])) is Verdict.FAIL
    (_, part) = look.look(run, Selection(tenants=frozenset({"edu"})))
    assert [one.fact.name for one in part.differences] == ["lab.east.tenant-edu"]
    assert [sight.region for sight in look.look(run, Selection(regions=frozenset({"north"})))] == ["north"]
