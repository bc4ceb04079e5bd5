"""What others have made inside what is to be removed: all of it is found, nothing of ours, and it goes in a working order."""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any
from unittest.mock import MagicMock

import pytest
from keystoneauth1.exceptions import Unauthorized
from openstack.exceptions import ConflictException, ForbiddenException, NotFoundException
from openstack.image.v2.image import Image

from landing_zone.drift import holders, others
from landing_zone.drift.facts import Fact
from landing_zone.drift.live.ports import INTERFACE
from landing_zone.drift.others import Others, Scope
from landing_zone.drift.reading import OF_PROJECTS
from landing_zone.engine.runs import Run, Selection
from tests.unit.drift.cloud import cloud_of
from tests.unit.planners.support import planned

TAKEN = Scope(frozenset({"d:edu"}), frozenset({"p:main", "p:net"}), frozenset({"n:data"}), frozenset({"n:data", "port:ours", "r:ours"}))
NOTHING: dict[str, Sequence[Any]] = dict.fromkeys(others.SOURCES, ())


def thing(identity: str, project: str = "p:main", name: str = "theirs", **more: Any) -> SimpleNamespace:
    return SimpleNamespace(**{"id": identity, "name": name, "project_id": project, "routes": None, **more})


def port(identity: str, network: str = "n:data", project: str = "p:else", owner: str = "compute:nova", device: str = "") -> SimpleNamespace:
    return thing(identity, project, identity, network_id=network, device_owner=owner, device_id=device, fixed_ips=[])


def found(**lists: Any) -> list[tuple[str, str]]:
    given = {source.replace("_", " "): things for source, things in lists.items()}
    return [(fact.kind, fact.id) for fact in others.find({**NOTHING, **given}, TAKEN)]


@pytest.mark.parametrize("kind", [kind for kind in OF_PROJECTS if kind not in {"image", "floating address"}])
def test_what_lies_in_our_projects_and_no_state_knows(kind: str) -> None:
    source = OF_PROJECTS[kind].replace(" ", "_")
    given = {source: [thing("x"), thing("elsewhere", "p:else"), thing("r:ours")]}
    assert found(**given) == [(kind, "x")]


@pytest.mark.parametrize("environment", ["lab", "ministry-agc"])
def test_a_whole_region_as_it_is_planned_has_nothing_of_others(environment: str) -> None:
    cloud = cloud_of(environment, "north")
    known = frozenset(cloud.ids.values())
    domains = frozenset(one.id for one in cloud.lists["domains"] if one.id in known)
    projects = frozenset(one.id for one in cloud.lists["projects"] if one.id in known)
    networks = frozenset(one.id for one in cloud.lists["networks"] if one.id in known)
    assert domains
    assert networks
    lists = {**NOTHING, **{source: things for source, things in cloud.lists.items() if source in others.SOURCES}}
    assert others.find(lists, Scope(domains, projects, networks, known)) == []
    nobodys = Scope(domains, projects, networks, frozenset())
    kinds = {fact.kind for fact in others.find(lists, nobodys)}
    assert kinds >= {
        "project",
        "network",
        "subnet",
        "port",
        "router",
        "router interface",
        "security group",
        "share",
        "instance",
        "DNS zone",
    }


@pytest.mark.parametrize("error", [Unauthorized("gone"), ForbiddenException("no"), NotFoundException("none")])
def test_a_region_is_read_by_its_lists_and_what_is_stored_by_accounts(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    """The account of one project sees a container and secrets; that of another one sees nothing, for whatever reason."""
    state = {
        "lab.north.tenant-edu": [
            {"type": others.PROJECT, "id": "p:lab-edu-main", "inputs": {}},
            {"type": others.PROJECT, "id": "d:lab-edu", "inputs": {"isDomain": True}},
            {"type": others.PROJECT, "inputs": {}},
            {"type": others.ZONE, "id": "z", "inputs": {}},
        ],
        "lab.north.tenant-health": [{"type": others.PROJECT, "id": "p:lab-health-main", "inputs": {}}],
    }
    home = SimpleNamespace(keeps=lambda name: True)
    stacks: Any = SimpleNamespace(standing=lambda: frozenset(state), resources=lambda key: state[key.name], home=home)
    cloud = MagicMock()
    named = [SimpleNamespace(id=f"p:{name}", name=name, domain_id="d") for name in ("lab-edu-main", "lab-health-main")]
    cloud.identity.projects.return_value = named
    cloud.block_storage.volumes.return_value = [thing("v", "p:lab-edu-main"), thing("w", "p:lab-portal-main")]
    cloud.block_storage.snapshots.return_value = [thing("s", "p:lab-edu-main", "of theirs")]
    cloud.block_storage.backups.return_value = [thing("b", "p:lab-edu-main", "copy of theirs")]
    cloud.image.images.return_value = [Image.existing(id="i", name="golden", owner_id="p:lab-health-main")]
    records = [
        {"id": kind, "name": f"{name}edu.example.", "type": kind, "zone_id": zone, "zone_name": "edu.example."}
        for name, kind in (("", "NS"), ("", "A"), ("sub.", "NS"))
        for zone in ("z", "else")
    ]
    cloud.dns.get.return_value = SimpleNamespace(status_code=200, json=lambda: {"recordsets": records})
    cloud.dns.zones.return_value = [SimpleNamespace(id=zone, name="edu.example.", project_id="p:x", is_shared=True) for zone in ("z", "y")]
    cloud.dns.zone_shares.side_effect = lambda zone, all_projects: [SimpleNamespace(id="s", zone_id=zone, target_project_id="p:else")]
    cloud.dns.zone_transfer_requests.return_value = [
        SimpleNamespace(id="t", zone_id=zone, zone_name="edu.example.", target_project_id=None) for zone in ("z", "y")
    ]
    edu, health = MagicMock(), MagicMock()
    edu.object_store.containers.return_value = [SimpleNamespace(name="papers")]
    of_volume = SimpleNamespace(name=None, secret_ref="https://keys.example/v1/secrets/s1")
    edu.key_manager.secrets.return_value = [of_volume, SimpleNamespace(name="seal", secret_ref="https://keys.example/v1/secrets/s2")]
    health.object_store.containers.side_effect = health.key_manager.secrets.side_effect = error
    monkeypatch.setattr(holders, "as_machine", lambda run, region, user, project: edu if "edu" in project else health)
    run = Run(planned("lab"), stacks, {}, {"north": cloud}, lambda _: None)
    (seen,) = others.look(run, run.standing(Selection()))
    assert [(fact.kind, fact.name) for fact in seen.facts] == [
        ("DNS record", "edu.example. A"),
        ("DNS record", "sub.edu.example. NS"),
        ("DNS zone share", "edu.example. with p:else"),
        ("DNS zone transfer", "edu.example. to whoever has its key"),
        ("backup", "copy of theirs"),
        ("snapshot", "of theirs"),
        ("volume", "theirs"),
        ("image", "golden"),
        ("container", "papers"),
        ("secret", "seal"),
    ]
    assert [fact.name for fact in seen.data] == ["copy of theirs", "of theirs", "theirs", "golden", "papers", "seal"]
    cloud.dns.delete.return_value = edu.key_manager.delete.return_value = SimpleNamespace(status_code=204)
    assert others.remove(seen, cloud) == []
    assert {"/zones/z/shares/s", "/zones/tasks/transfer_requests/t"} <= {call.args[0] for call in cloud.dns.delete.call_args_list}
    edu.key_manager.delete.assert_called_once_with("/secrets/s2")
    assert others.look(run, []) == []


def test_images_and_floating_addresses_by_their_own_words() -> None:
    image = Image.existing(id="i", name="golden", owner_id="p:main")
    address = SimpleNamespace(id="f", floating_ip_address="198.18.0.9", project_id="p:main")
    assert found(images=[image], floating_addresses=[address]) == [("floating address", "f"), ("image", "i")]


def test_default_groups_are_left_to_the_sweep() -> None:
    assert found(security_groups=[thing("g", name="default")]) == []


def test_ports_of_anybody_in_our_networks_but_not_those_of_neutron_and_of_ours() -> None:
    ports = [
        port("theirs"),
        port("ours-elsewhere", "n:else", "p:main"),
        port("port:ours"),
        port("foreign", "n:else"),
        port("dhcp", owner="network:dhcp", device="dhcp-1"),
        port("metadata", owner="network:distributed", device="ovnmeta-1"),
        port("like-dhcp", owner="network:dhcp", device="mine"),
    ]
    assert found(ports=ports) == [("port", "like-dhcp"), ("port", "ours-elsewhere"), ("port", "theirs")]


def test_routers_of_others_leave_our_networks_and_theirs_before_they_go() -> None:
    ports = [
        port("in-ours", owner=INTERFACE, device="r:else"),
        port("far", "n:far", "p:x", INTERFACE, "r:1"),
    ]
    assert found(ports=ports, routers=[thing("r:1")]) == [("router interface", "far"), ("router interface", "in-ours"), ("router", "r:1")]


def test_routes_by_hand_on_our_routers_and_on_those_that_go() -> None:
    ours = {"destination": "10.0.0.0/16", "nexthop": "10.64.8.1"}
    v6 = {"destination": "fd64:0:0:0::/64", "nexthop": "fd64::0001"}
    by_hand = {"destination": "192.0.2.0/24", "nexthop": "10.64.8.9"}
    routers = [
        thing("r:ours", "p:net", routes=[ours, v6, by_hand]),
        thing("r:theirs", routes=[by_hand]),
        thing("r:else", "p:else", routes=[by_hand]),
        thing("r:none", "p:net", routes=None),
    ]
    resources = [
        {"type": others.ROUTER, "id": "r:ours", "inputs": {}},
        {"type": others.PROJECT, "id": "p:main", "inputs": {}},
        {
            "type": others.ROUTES,
            "id": "r:ours",
            "inputs": {
                "routes": [
                    {"destinationCidr": "10.0.0.0/16", "nextHop": "10.64.8.1"},
                    {"destinationCidr": "fd64::/64", "nextHop": "fd64::1"},
                ]
            },
        },
    ]
    stacks: Any = SimpleNamespace(standing=lambda: frozenset({"lab.north.network"}), resources=lambda _: resources)
    run = Run(planned("lab"), stacks, {}, {}, lambda _: None)
    taken = others.scope(run, "north", run.standing(Selection()))
    facts = others.find({**NOTHING, "routers": routers}, taken)
    assert [(fact.kind, fact.at.get("router", fact.id)) for fact in facts] == [
        ("route", "r:ours"),
        ("route", "r:theirs"),
        ("router", "r:theirs"),
    ]
    cloud = MagicMock()
    assert others.remove(Others("north", tuple(facts)), cloud) == []
    body = {"router": {"routes": [by_hand]}}
    assert [call.kwargs for call in cloud.network.remove_extra_routes_from_router.call_args_list] == [{"body": body}] * 2


def test_what_another_stack_has_made_inside_is_not_somebody_elses() -> None:
    state = {
        "lab.north.tenant-edu": [{"type": others.NETWORK, "id": "n:data", "inputs": {}}],
        "lab.north.probes": [{"type": "any", "id": "of a probe", "inputs": {}}],
    }
    stacks: Any = SimpleNamespace(standing=lambda: frozenset(state), resources=lambda key: state[key.name])
    run = Run(planned("lab"), stacks, {}, {}, lambda _: None)
    taken = others.scope(run, "north", run.standing(Selection(tenants=frozenset({"edu"}))))
    assert [fact.id for fact in others.find({**NOTHING, "ports": [port("of a probe"), port("theirs")]}, taken)] == ["theirs"]


def test_subnets_in_our_networks_and_shares_of_ours_and_with_us() -> None:
    subnets = [thing("s", "p:else", network_id="n:data"), thing("t", "p:main", network_id="n:by-hand")]
    shares = [
        SimpleNamespace(id="1", object_id="n:data", object_type="network", target_project_id="p:else"),
        SimpleNamespace(id="2", object_id="n:else", object_type="network", target_project_id="p:main"),
        SimpleNamespace(id="3", object_id="n:else", object_type="network", target_project_id="p:else"),
    ]
    assert found(subnets=subnets, shares=shares) == [("share", "1"), ("share", "2"), ("subnet", "s")]


def test_projects_by_hand_in_our_domains_go_with_all_that_is_in_them() -> None:
    projects = [
        SimpleNamespace(id="p:hand", name="hand", domain_id="d:edu"),
        SimpleNamespace(id="p:far", name="far", domain_id="d:else"),
        SimpleNamespace(id="n:data", name="known", domain_id="d:edu"),
    ]
    assert found(projects=projects, volumes=[thing("v", "p:hand"), thing("w", "p:far")]) == [("volume", "v"), ("project", "p:hand")]


def test_what_others_hang_on_to_goes_first() -> None:
    order = others.ORDER
    pairs = [("instance", "volume"), ("instance", "port"), ("load balancer", "port"), ("snapshot", "volume"),
             ("router interface", "router"), ("instance", "trunk"), ("trunk", "port"), ("security group", "address group"),
             ("DNS record", "DNS zone share"), ("DNS zone share", "DNS zone"),
             ("port", "network"), ("port", "subnet"), ("router interface", "subnet"), ("port", "security group"),
             ("network", "project")]  # fmt: skip
    assert [pair for pair in pairs if order.index(pair[0]) > order.index(pair[1])] == []
    assert set(order) >= others.DATA
    assert set(OF_PROJECTS) <= set(order)


def test_what_the_cloud_refuses_is_told_and_the_rest_goes() -> None:
    cloud = MagicMock()
    cloud.network.delete_port.side_effect = ConflictException("in use")
    facts = (Fact("port", "stuck", "", {}, "p"), Fact("router", "loose", "", {}, "r"))
    (problem,) = others.remove(Others("north", facts), cloud)
    assert "port stuck" in problem.what
    assert "in use" in problem.why
    cloud.network.delete_router.assert_called_once_with("r")
