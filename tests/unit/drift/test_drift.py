"""What is found: nothing where the cloud is what the plan says, and exactly the one thing that somebody made, changed or deleted."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
from openstack.block_storage.v3.volume import Volume
from openstack.compute.v2.keypair import Keypair
from openstack.compute.v2.server import Server
from openstack.compute.v2.server_group import ServerGroup
from openstack.dns.v2.zone import Zone
from openstack.dns.v2.zone_share import ZoneShare
from openstack.dns.v2.zone_transfer import ZoneTransferRequest
from openstack.identity.v3.application_credential import ApplicationCredential
from openstack.identity.v3.credential import Credential
from openstack.identity.v3.group import Group
from openstack.identity.v3.project import Project
from openstack.identity.v3.trust import Trust
from openstack.identity.v3.user import User
from openstack.image.v2.image import Image
from openstack.load_balancer.v2.load_balancer import LoadBalancer
from openstack.network.v2.address_group import AddressGroup
from openstack.network.v2.address_scope import AddressScope
from openstack.network.v2.floating_ip import FloatingIP
from openstack.network.v2.network import Network
from openstack.network.v2.rbac_policy import RBACPolicy
from openstack.network.v2.router import Router
from openstack.network.v2.security_group import SecurityGroup
from openstack.network.v2.subnet import Subnet
from openstack.network.v2.subnet_pool import SubnetPool
from openstack.network.v2.trunk import Trunk

from landing_zone.drift import live
from landing_zone.drift.compare import compare
from landing_zone.drift.estate import estate
from landing_zone.drift.facts import Difference, Fact, Finding
from landing_zone.drift.holders import HOLDERS
from landing_zone.drift.kinds import KINDS, page
from landing_zone.drift.reading import BASE, EACH, LISTS, OF_PROJECTS, Reading
from landing_zone.drift.repair import REMOVERS, SETTERS
from landing_zone.drift.wanted import Wanted
from policy.catalogue import controls
from tests.unit.drift.cloud import Cloud, assignment, cloud_of, port, rule, share

Hand = Callable[[Cloud], object]
EDU, HEALTH, HUB, DESK = "lab-edu-main", "lab-health-main", "lab-platform-network", "lab-platform-management"
ZONE = "edu.north.lab.gclz.internal."
ZONE_ID = f"z:{ZONE}"


def wanted(cloud: Cloud) -> Iterator[Fact]:
    return Wanted(cloud.region, cloud.ids, {layer for step in cloud.region.order for layer in step} - {"probes"}).facts()


def there(cloud: Cloud) -> Iterator[Fact]:
    return live.facts(Reading(cloud.lists, {}), estate(cloud.region), known(cloud))


def known(cloud: Cloud) -> dict[str, str]:
    return {identity: name for (_, name), identity in cloud.ids.items()}


def found(cloud: Cloud) -> list[Difference]:
    return compare("north", wanted(cloud), there(cloud), known(cloud))


def after(*hands: Hand) -> list[tuple[Finding, str, str, str]]:
    cloud = cloud_of("lab", "north")
    for hand in hands:
        hand(cloud)
    return [(one.finding, one.fact.layer, one.fact.kind, one.fact.name) for one in found(cloud)]


def adding(source: str, *things: Any) -> Hand:
    return lambda cloud: cloud.add(source, *things)


def together(*hands: Hand) -> Hand:
    return lambda cloud: [hand(cloud) for hand in hands]


def giving(source: str, name: str, /, **values: Any) -> Hand:
    return lambda cloud: cloud.give(source, name, **values)


def without(source: str, keep: Callable[[Any], bool]) -> Hand:
    def hand(cloud: Cloud) -> None:
        cloud.lists[source] = [thing for thing in cloud.lists[source] if keep(thing)]

    return hand


def no(source: str, name: str) -> Hand:
    return without(source, lambda thing: thing.name != name)


def ruled(group: str, *rules: dict[str, Any]) -> Hand:
    return lambda cloud: cloud.give("security groups", group, security_group_rules=[*rules_of(cloud, group), *rules])


def rules_of(cloud: Cloud, group: str) -> list[dict[str, Any]]:
    return list(cloud.one("security groups", group).security_group_rules)


def routed(router: str, change: Callable[[list[dict[str, str]]], list[dict[str, str]]]) -> Hand:
    return lambda cloud: cloud.give("routers", router, routes=change(cloud.one("routers", router).routes))


def own_group(project: str, name: str, *rules: dict[str, Any]) -> Hand:
    made = SecurityGroup.existing(id=f"sg:{project}:{name}", name=name, project_id=f"p:{project}", security_group_rules=list(rules))
    return adding("security groups", made)


def by_addresses(*addresses: str) -> Hand:
    """A rule of a tenant's own group that lets in an address group of these."""
    several = AddressGroup.existing(id="ag", name="several", project_id=f"p:{EDU}", addresses=list(addresses))
    allowing = {**rule("r", "ingress", "IPv4", "tcp", 22, 22, None), "remote_address_group_id": several.id}
    return together(adding("address groups", several), own_group(EDU, "own", allowing))


def test_nothing_is_found_where_the_cloud_is_what_the_plan_says() -> None:
    assert found(cloud_of("lab", "north")) == []


def test_nor_in_an_environment_of_another_level() -> None:
    assert found(cloud_of("ministry-agc", "north")) == []


def test_all_that_is_read_of_a_thing_is_compared() -> None:
    """Of limits more is read: whatever a service counts beside those of the plan."""
    cloud = cloud_of("lab", "north")
    read = {(fact.kind, fact.id or fact.name): set(fact.values) for fact in there(cloud)}
    for fact in wanted(cloud):
        assert fact.kind == "quota" or read[fact.kind, fact.id or fact.name] == set(fact.values), fact.kind


WORLD = rule("by-hand", "ingress", "IPv4", "tcp", 22, 22, "0.0.0.0/0")
BY_HAND: list[tuple[str, str, str, Hand]] = [
    ("network", "security group rule", "lab-platform-management: ingress IPv4 tcp/22 from 0.0.0.0/0", ruled(DESK, WORLD)),
    ("tenant-edu", "security group rule", "lab-edu-data: egress IPv6 any to anywhere",
     ruled("lab-edu-data", rule("by-hand", "egress", "IPv6", None, None, None, None))),
    ("tenant-edu", "security group rule", "lab-edu-main/own: ingress IPv4 tcp/22 from 0.0.0.0/0", own_group(EDU, "own", WORLD)),
    ("tenant-edu", "security group rule", "lab-edu-main/own: ingress IPv4 any from 128.0.0.0/1",
     own_group(EDU, "own", rule("by-hand", "ingress", "IPv4", None, None, None, "128.0.0.0/1"))),
    ("tenant-edu", "security group rule", "lab-edu-main/own: ingress IPv4 tcp/22 from address group several",
     by_addresses("10.0.0.0/16", "128.0.0.0/1")),
    ("tenant-edu", "security group rule", "lab-edu-main/own: ingress IPv4 tcp/22 from address group several",
     by_addresses("10.0.0.0/8", "11.0.0.0/8", "fd00::/8")),
    ("tenant-edu", "security group rule", "lab-edu-main/own: ingress IPv4 tcp/22 from address group several",
     by_addresses("10.0.0.0/16", "2000::/3")),
    ("tenant-edu", "security group rule", "lab-edu-main/own: ingress IPv4 tcp/22 from address group unseen",
     own_group(EDU, "own", {**rule("r", "ingress", "IPv4", "tcp", 22, 22, None), "remote_address_group_id": "unseen"})),
    ("tenant-edu", "security group rule", "lab-edu-main/default: ingress IPv4 any from 10.0.0.0/8",
     own_group(EDU, "default", rule("by-hand", "ingress", "IPv4", None, None, None, "10.0.0.0/8"))),
    ("tenant-edu", "security group rule", "lab-edu-main/default: egress IPv6 any to anywhere",
     own_group(EDU, "default", rule("by-hand", "egress", "IPv6", None, None, None, None))),
    ("network", "security group rule", "lab-platform-network/default: ingress IPv4 any from group default",
     own_group(HUB, "default", rule("by-hand", "ingress", "IPv4", None, None, None, None, f"sg:{HUB}:default"))),
    ("network", "security group", "by-hand", own_group(HUB, "by-hand", WORLD)),
    ("tenant-edu", "role assignment", "user Default/eve: admin on project lab-edu-main", adding(
        "assignments", assignment("user", "u:eve", "admin", {"project": {"id": f"p:{EDU}"}}))),
    ("identity", "role assignment", "group lab-platform-monitors: manager on domain lab-platform", adding(
        "assignments", assignment("group", "g:lab-platform-monitors", "manager", {"domain": {"id": "d:lab-platform"}}))),
    ("identity", "role assignment", "group lab-platform-monitors: admin on system", adding(
        "assignments", assignment("group", "g:lab-platform-monitors", "admin", {"system": {"all": True}}))),
    ("tenant-edu", "role assignment", "group lab-edu-members: member on domain lab-edu (inherited)", adding(
        "assignments", assignment("group", "g:lab-edu-members", "member",
                                  {"domain": {"id": "d:lab-edu"}, "OS-INHERIT:inherited_to": "projects"}))),
    ("identity", "group membership", "Default/eve in lab-platform-operators", adding(
        "members", ("g:lab-platform-operators", User.existing(id="u:eve", name="eve", domain_id="d:Default")))),
    ("identity", "group membership", "lab-platform-automation in lab-platform-operators", adding(
        "members", ("g:lab-platform-operators",
                    User.existing(id="u:lab-platform-automation", name="lab-platform-automation", domain_id="d:lab-platform")))),
    ("tenant-edu", "group membership", "Default/eve in lab-edu-members", adding(
        "members", ("g:lab-edu-members", User.existing(id="u:eve", name="eve", domain_id="d:Default")))),
    ("tenant-edu", "group membership", "lab-edu/lan in lab-edu-automation", adding(
        "members", ("g:lab-edu-automation", User.existing(id="u:lan", name="lan", domain_id="d:lab-edu")))),
    ("identity", "user", "lab-platform/lan", adding("users", User.existing(id="u:2", name="lan", domain_id="d:lab-platform"))),
    ("tenant-edu", "group", "lab-edu/own", adding("groups", Group.existing(id="g:own", name="own", domain_id="d:lab-edu"))),
    ("tenant-edu", "project", "lab-edu/own", adding("projects", Project.existing(id="p:own", name="own", domain_id="d:lab-edu"))),
    ("tenant-edu", "application credential", "by-hand of lab-edu-automation", adding(
        "application credentials", ("u:lab-edu-automation", ApplicationCredential.existing(id="ac", name="by-hand")))),
    ("identity", "access key", "ec2 12345678 of lab-platform-automation", adding(
        "credentials", Credential.existing(id="123456789", type="ec2", user_id="u:lab-platform-automation"))),
    ("tenant-edu", "trust", "lab-edu-automation to Default/eve in lab-edu-main", adding("trusts", Trust.existing(
        id="tr", trustor_user_id="u:lab-edu-automation", trustee_user_id="u:eve", project_id=f"p:{EDU}"))),
    ("identity", "trust", "lab-edu/lan to lab-platform-automation in lab-edu-main", adding("trusts", Trust.existing(
        id="tr", trustor_user_id="u:lan", trustee_user_id="u:lab-platform-automation", project_id=f"p:{EDU}"))),
    ("access", "key pair", "by-hand of lab-platform-automation", adding(
        "key pairs", ("u:lab-platform-automation", Keypair.existing(name="by-hand")))),
    ("network", "network", "by-hand", adding("networks", Network.existing(id="n", name="by-hand", project_id=f"p:{HUB}"))),
    ("tenant-edu", "subnet", "by-hand", adding("subnets", Subnet.existing(
        id="s", name="by-hand", network_id="net:lab-edu-data", project_id="p:Default/admin", cidr="192.0.2.0/24", allocation_pools=[],
        dns_nameservers=[], host_routes=[]))),
    ("tenant-edu", "share", "network lab-edu-data with lab-health-main", adding(
        "shares", share("by-hand", "network", "net:lab-edu-data", f"p:{HEALTH}"))),
    ("tenant-edu", "share", "network public with lab-edu-main", adding("shares", share("by-hand", "network", "net:public", f"p:{EDU}"))),
    ("tenant-edu", "share", "network lab-edu-data with everybody (access_as_external)", adding("shares", RBACPolicy.existing(
        id="by-hand", object_type="network", object_id="net:lab-edu-data", target_tenant="*", action="access_as_external"))),
    ("network", "share", "address scope lab-platform-v4 with everybody", adding(
        "shares", share("by-hand", "address_scope", "as:lab-platform-v4", "*"))),
    ("network", "share", "subnetpool lab-platform-v4 with everybody", adding(
        "shares", share("by-hand", "subnetpool", "sp:lab-platform-v4", "*"))),
    ("tenant-edu", "share", "address group several with everybody", together(
        adding("address groups", AddressGroup.existing(id="ag", name="several", project_id=f"p:{EDU}", addresses=[])),
        adding("shares", share("by-hand", "address_group", "ag", "*")))),
    ("network", "router", "by-hand", adding("routers", Router.existing(id="r", name="by-hand", project_id=f"p:{HUB}", routes=[]))),
    ("tenant-edu", "route", "lab-edu-router: 10.66.0.0/16 via 10.64.0.9",
     routed("lab-edu-router", lambda routes: [*routes, {"destination": "10.66.0.0/16", "nexthop": "10.64.0.9"}])),
    ("tenant-health", "router interface", "lab-health-router in lab-edu-data", adding(
        "ports", port("net:lab-edu-data", "", "10.64.9.9", device_owner="network:router_interface", device_id="r:lab-health-router"))),
    ("tenant-edu", "router interface", "theirs in lab-edu-data", together(
        adding("routers", Router.existing(id="r", name="theirs", project_id="p:Default/admin", routes=[])),
        adding("ports", port("net:lab-edu-data", "", "10.64.9.9", device_owner="network:router_interface", device_id="r")))),
    ("tenant-edu", "port", "by-hand", adding("ports", port("net:lab-edu-data", HEALTH, name="by-hand"))),
    ("access", "port", "by-hand", adding("ports", port("net:lab-platform-transit", DESK, name="by-hand"))),
    ("access", "port", "10.64.1.2 in lab-platform-transit", adding(
        "ports", port("net:lab-platform-transit", "Default/admin", "10.64.1.2", device_owner="network:dhcp", device_id="mine"))),
    ("tenant-edu", "port", "198.18.0.5 in public", adding("ports", port("net:public", EDU, "198.18.0.5", device_owner="compute:nova"))),
    ("tenant-edu", "port", "192.0.2.5 in lab-edu-data", together(
        adding("networks", Network.existing(id="n", name="lab-edu-data", project_id="p:Default/admin")),
        adding("ports", port("n", EDU, "192.0.2.5")))),
    ("access", "port", "second leg", adding("ports", port(
        "net:public", "Default/admin", name="second leg", device_owner="compute:nova", device_id="i:lab-platform-bastion"))),
    ("tenant-edu", "port security", "off for port open in lab-edu-data", adding(
        "ports", port("net:lab-edu-data", EDU, name="open", port_security_enabled=False))),
    ("tenant-edu", "port security", "off for port wide in lab-edu-data", adding(
        "ports", port("net:lab-edu-data", EDU, name="wide", allowed_address_pairs=[{"ip_address": "0.0.0.0/0"}]))),
    ("tenant-edu", "floating address", "198.18.0.77", adding(
        "floating addresses", FloatingIP.existing(id="f", floating_ip_address="198.18.0.77", project_id=f"p:{EDU}", tags=[]))),
    ("network", "address scope", "by-hand", adding(
        "address scopes", AddressScope.existing(id="a", name="by-hand", project_id=f"p:{HUB}", ip_version=4))),
    ("network", "subnet pool", "by-hand", adding("subnet pools", SubnetPool.existing(
        id="sp", name="by-hand", project_id=f"p:{HUB}", prefixes=["10.0.0.0/8"]))),
    ("access", "instance", "by-hand", adding(
        "instances", Server.existing(id="i", name="by-hand", flavor={"original_name": "any"}, project_id=f"p:{DESK}"))),
    ("access", "volume", "by-hand", adding(
        "volumes", Volume.existing(id="v", name="by-hand", project_id=f"p:{DESK}"))),
    ("network", "address group", "by-hand", adding(
        "address groups", AddressGroup.existing(id="ag", name="by-hand", project_id=f"p:{DESK}", addresses=[]))),
    ("access", "trunk", "by-hand", adding("trunks", Trunk.existing(id="t", name="by-hand", project_id=f"p:{DESK}"))),
    ("access", "server group", "by-hand", adding("server groups", ServerGroup.existing(id="sg", name="by-hand", project_id=f"p:{DESK}"))),
    ("access", "image", "by-hand", adding("images", Image.existing(id="im", name="by-hand", owner_id=f"p:{DESK}"))),
    ("access", "container", "papers", adding("containers", Fact("container", "papers", "", {}, f"p:{DESK}/papers", f"p:{DESK}"))),
    ("access", "secret", "seal", adding("secrets", Fact("secret", "seal", "", {}, "s", f"p:{DESK}"))),
    ("access", "load balancer", "by-hand", adding("load balancers", LoadBalancer.existing(id="l", name="by-hand", project_id=f"p:{DESK}"))),
    ("network", "DNS zone", "by-hand.example.", adding(
        "DNS zones", Zone.existing(id="z", name="by-hand.example.", project_id=f"p:{HUB}"))),
    ("tenant-edu", "DNS record", f"www.{ZONE} A", adding("DNS records", {
        "id": "rr", "zone_id": ZONE_ID, "zone_name": ZONE, "name": f"www.{ZONE}", "type": "A"})),
    ("tenant-edu", "DNS record", f"sub.{ZONE} NS", adding("DNS records", {
        "id": "rr", "zone_id": ZONE_ID, "zone_name": ZONE, "name": f"sub.{ZONE}", "type": "NS"})),
    ("tenant-edu", "DNS zone share", f"{ZONE} with lab-health-main", adding(
        "DNS zone shares", ZoneShare.existing(id="zs", zone_id=ZONE_ID, target_project_id=f"p:{HEALTH}"))),
    ("tenant-edu", "DNS zone transfer", f"{ZONE} to lab-health-main", adding(
        "DNS zone transfers", ZoneTransferRequest.existing(id="zt", zone_id=ZONE_ID, target_project_id=f"p:{HEALTH}"))),
    ("tenant-edu", "DNS zone transfer", f"{ZONE} to whoever has its key", adding(
        "DNS zone transfers", ZoneTransferRequest.existing(id="zt", zone_id=ZONE_ID))),
]  # fmt: skip


@pytest.mark.parametrize(("layer", "kind", "name", "hand"), BY_HAND, ids=[f"{kind}: {name}" for _, kind, name, _ in BY_HAND])
def test_what_somebody_made_is_found_and_nothing_else(layer: str, kind: str, name: str, hand: Hand) -> None:
    stranger = adding("users", User.existing(id="u:eve", name="eve", domain_id="d:Default"))
    people = adding("users", User.existing(id="u:lan", name="lan", domain_id="d:lab-edu"))
    assert after(stranger, people, hand) == [("not in the model", layer, kind, name)]


@pytest.mark.parametrize(
    ("scope", "path"),
    [
        ({"domain": {"id": "d:lab-edu"}}, "/domains/d:lab-edu{}"),
        ({"domain": {"id": "d:lab-edu"}, "OS-INHERIT:inherited_to": "projects"}, "/OS-INHERIT/domains/d:lab-edu{}/inherited_to_projects"),
        ({"project": {"id": f"p:{EDU}"}}, f"/projects/p:{EDU}{{}}"),
        ({"system": {"all": True}}, "/system{}"),
    ],
)
def test_of_an_assignment_by_hand_the_very_one_is_removed(scope: dict[str, Any], path: str) -> None:
    """By another path one that is planned would go, or none."""
    cloud = cloud_of("lab", "north")
    cloud.add("assignments", assignment("group", "g:lab-platform-monitors", "manager", scope))
    (one,) = found(cloud)
    assert one.fact.at["path"] == path.format("/groups/g:lab-platform-monitors/roles/role:manager")


def test_other_words_for_a_flow_are_no_difference() -> None:
    """Neutron cannot change a rule, so that it keeps the description that it was made with, and nobody can give it another one."""

    def made_before(cloud: Cloud) -> None:
        cloud.give(
            "security groups",
            "lab-edu-data",
            security_group_rules=[{**one, "description": "old"} for one in rules_of(cloud, "lab-edu-data")],
        )

    assert after(made_before) == []


@pytest.mark.parametrize("protocol", ["icmpv6", "58"])
def test_another_name_of_a_protocol_is_no_difference(protocol: str) -> None:
    def made_so(cloud: Cloud) -> None:
        named = [{**one, "protocol": protocol if one["protocol"] == "ipv6-icmp" else one["protocol"]} for one in rules_of(cloud, DESK)]
        assert named != rules_of(cloud, DESK)
        cloud.give("security groups", DESK, security_group_rules=named)

    assert after(made_so) == []


def test_the_order_in_which_a_service_lists_things_is_no_difference() -> None:
    def turned(cloud: Cloud) -> None:
        leg = cloud.one("ports", "lab-edu-router-data")
        cloud.give("ports", leg.name, fixed_ips=leg.fixed_ips[::-1])
        cloud.give("networks", "lab-edu-data", tags=cloud.one("networks", "lab-edu-data").tags[::-1])

    assert after(turned) == []


TENANTS_OWN: list[Hand] = [
    adding("instances", Server.existing(id="i", name="own", flavor={"original_name": "any"}, project_id=f"p:{EDU}")),
    adding("ports", port("net:lab-edu-data", EDU, "10.64.9.9", device_owner="compute:nova")),
    own_group(EDU, "own", rule("r", "ingress", "IPv4", "tcp", 80, 80, "10.64.0.0/16"), rule("q", "egress", "IPv4", None, None, None, None)),
    own_group(EDU, "own", rule("r", "ingress", "IPv4", None, None, None, None, f"sg:{EDU}:own")),
    by_addresses("10.0.0.0/16", "10.1.0.0/16", "fc00::/8", "fd00::/8"),
    by_addresses(),
    own_group(EDU, "default"),
    adding("volumes", Volume.existing(id="v", name="own", project_id=f"p:{EDU}")),
    adding("load balancers", LoadBalancer.existing(id="l", name="own", project_id=f"p:{EDU}")),
    adding("server groups", ServerGroup.existing(id="sg", name="own", project_id=f"p:{EDU}")),
    adding("trunks", Trunk.existing(id="t", name="own", project_id=f"p:{EDU}")),
    adding("address groups", AddressGroup.existing(id="ag", name="own", project_id=f"p:{EDU}", addresses=["0.0.0.0/0"])),
    adding("images", Image.existing(id="im", name="own", owner_id=f"p:{EDU}")),
    adding("images", Image.existing(id="im", name="public", owner_id="p:Default/admin")),
    together(
        adding("DNS zones", Zone.existing(id="z", name="own.example.", project_id=f"p:{EDU}")),
        adding("DNS zone shares", ZoneShare.existing(id="zs", zone_id="z", target_project_id=f"p:{HEALTH}")),
        adding("DNS zone transfers", ZoneTransferRequest.existing(id="zt", zone_id="z")),
    ),
    adding("users", User.existing(id="u:lan", name="lan", domain_id="d:lab-edu")),
    adding("trusts", Trust.existing(id="tr", trustor_user_id="u:lan", trustee_user_id="u:eve", project_id=f"p:{EDU}")),
    adding("members", ("g:lab-edu-members", User.existing(id="u:lan", name="lan", domain_id="d:lab-edu"))),
    adding("networks", Network.existing(id="n", name="lab-edu-data", project_id="p:Default/admin")),
    adding("projects", Project.existing(id="p:2", name=EDU, domain_id="d:Default")),
    adding("ports", port("net:public", "", "198.18.0.6", device_owner="network:floatingip", device_id="fip:lab-platform-bastion")),
    adding("ports", port("net:public", "", "198.18.0.7", device_owner="network:router_gateway", device_id="r:lab-platform-hub")),
    adding("ports", port("net:public", "Default/admin", "198.18.0.8", device_owner="compute:nova", device_id="i:of-somebody")),
]  # fmt: skip


@pytest.mark.parametrize("hand", TENANTS_OWN)
def test_what_a_tenant_may_have_and_what_is_none_of_ours_is_left_alone(hand: Hand) -> None:
    assert after(hand) == []


def test_so_are_floating_addresses_of_a_project_that_has_a_quota_of_such() -> None:
    region = cloud_of("lab", "north").region
    edu = region.tenants["edu"]
    projects = tuple(replace(one, quota=replace(one.quota, floating_ips=1)) for one in edu.identity.projects)
    more = replace(edu, identity=replace(edu.identity, projects=projects))
    cloud = Cloud(replace(region, tenants={**region.tenants, "edu": more}))
    cloud.add("floating addresses", FloatingIP.existing(id="f", floating_ip_address="198.18.0.77", project_id=f"p:{EDU}", tags=[]))
    assert found(cloud) == []


def setting_free(cloud: Cloud, credential: str) -> None:
    free = ApplicationCredential.existing(
        id=credential, name="any", unrestricted=True, expires_at="2026-04-01T00:00:00Z", access_rules=[{}]
    )
    every = cloud.lists["application credentials"]
    cloud.lists["application credentials"] = [(user, free if one.id == credential else one) for user, one in every]


CHANGED: list[tuple[str, str, str, Hand]] = [
    ("network", "lab-edu-data", "description: by hand instead of ", giving("networks", "lab-edu-data", description="by hand")),
    ("network", "lab-edu-data", "name: by hand instead of lab-edu-data", giving("networks", "lab-edu-data", name="by hand")),
    ("network", "lab-edu-data", "port security: no instead of yes", giving("networks", "lab-edu-data", port_security_enabled=False)),
    ("domain", "lab-edu", "name: by hand instead of lab-edu", giving("domains", "lab-edu", name="by hand")),
    ("user", "lab-edu-automation", "name: by hand instead of ", giving("users", "lab-edu-automation", name="by hand")),
    ("router", "lab-edu-router", "name: by hand instead of lab-edu-router", giving("routers", "lab-edu-router", name="by hand")),
    ("security group", "lab-edu-data", "name: by hand instead of ", giving("security groups", "lab-edu-data", name="by hand")),
    ("subnet", "lab-edu-data-v4", "gateway: none instead of ", giving("subnets", "lab-edu-data-v4", gateway_ip=None)),
    ("subnet", "lab-edu-data-v4", "host routes: ", giving(
        "subnets", "lab-edu-data-v4", host_routes=[{"destination": "0.0.0.0/0", "nexthop": "10.64.0.9"}])),
    ("router", "lab-edu-router", "external network: public instead of none", giving(
        "routers", "lab-edu-router", external_gateway_info={"network_id": "net:public", "enable_snat": False})),
    ("subnet", "lab-edu-data-v4", "dhcp: no instead of yes", giving("subnets", "lab-edu-data-v4", enable_dhcp=False)),
    ("router", "lab-platform-hub", "snat: no instead of yes", giving(
        "routers", "lab-platform-hub", external_gateway_info={"network_id": "net:public", "enable_snat": False})),
    ("router", "lab-edu-router", "project: Default/admin instead of ", giving("routers", "lab-edu-router", project_id="p:Default/admin")),
    ("project", EDU, "domain: Default instead of lab-edu", giving("projects", EDU, domain_id="d:Default")),
    ("group", "lab-edu-members", "domain: Default instead of lab-edu", giving("groups", "lab-edu-members", domain_id="d:Default")),
    ("instance", "lab-platform-bastion", "key pair: theirs instead of none", giving(
        "instances", "lab-platform-bastion", key_name="theirs")),
    ("application credential", "lab-edu-main-member of lab-edu-automation", "unrestricted: yes instead of no",
     lambda cloud: setting_free(cloud, "ac:lab-edu-main-member")),
    ("router", "lab-platform-hub", "up: no instead of yes", giving("routers", "lab-platform-hub", admin_state_up=False)),
    ("router interface", "lab-edu-router-data", "addresses: 10.9.9.9 instead of ", giving(
        "ports", "lab-edu-router-data", fixed_ips=[{"ip_address": "10.9.9.9"}])),
    ("port", "lab-platform-bastion", "security groups: none instead of lab-platform-bastion", giving(
        "ports", "lab-platform-bastion", security_groups=[])),
    ("port", "lab-platform-bastion", "other addresses: 0.0.0.0/0 instead of none", giving(
        "ports", "lab-platform-bastion", allowed_address_pairs=[{"ip_address": "0.0.0.0/0"}])),
    ("security group", "lab-edu-data", "stateful: no instead of yes", giving("security groups", "lab-edu-data", stateful=False)),
    ("instance", "lab-platform-bastion", "flavor: huge instead of ", giving(
        "instances", "lab-platform-bastion", flavor={"original_name": "huge"})),
    ("instance", "lab-platform-bastion", "image: of somebody instead of debian-13", together(
        adding("images", Image.existing(id="im", name="of somebody", owner_id=f"p:{EDU}")),
        giving("instances", "lab-platform-bastion", image={"id": "im"}))),
    *(("instance", "lab-platform-bastion", "running: no instead of yes", giving("instances", "lab-platform-bastion", status=status))
      for status in ("SHUTOFF", "PAUSED", "SUSPENDED", "SHELVED", "SHELVED_OFFLOADED")),
    ("floating address", "lab-platform-bastion", "port: none instead of lab-platform-bastion",
     lambda cloud: cloud.give("floating addresses", cloud.lists["floating addresses"][0].name, port_id=None)),
    ("DNS zone", "edu.north.lab.gclz.internal.", "ttl: 60 instead of 300", giving("DNS zones", "edu.north.lab.gclz.internal.", ttl=60)),
    ("DNS zone", ZONE, f"project: {HEALTH} instead of ", giving("DNS zones", ZONE, project_id=f"p:{HEALTH}")),
    ("subnet pool", "lab-platform-v4", "shortest: 8 instead of 16", giving("subnet pools", "lab-platform-v4", min_prefixlen=8)),
    ("project", EDU, "enabled: no instead of yes", giving("projects", EDU, enabled=False)),
    ("domain", "lab-edu", "enabled: no instead of yes", giving("domains", "lab-edu", enabled=False)),
    ("user", "lab-edu-automation", "enabled: no instead of yes", giving("users", "lab-edu-automation", enabled=False)),
    ("group", "lab-edu-members", "description: by hand instead of ", giving("groups", "lab-edu-members", description="by hand")),
    ("quota", "compute of lab-edu-main", "cores: -1 instead of 8",
     lambda cloud: cloud.lists.update({"compute quotas": [
         (project, {**limits, "cores": -1} if project == f"p:{EDU}" else limits) for project, limits in cloud.lists["compute quotas"]]})),
    ("quota", "object-store of lab-edu-main", f"bytes: -1 instead of {50 * 2**30}",
     lambda cloud: cloud.lists.update({"object-store quotas": [
         (project, {"bytes": -1} if project == f"p:{EDU}" else limits) for project, limits in cloud.lists["object-store quotas"]]})),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "name", "detail", "hand"), CHANGED, ids=[f"{kind}: {detail}" for kind, _, detail, _ in CHANGED])
def test_what_somebody_changed_is_found_and_nothing_else(kind: str, name: str, detail: str, hand: Hand) -> None:
    cloud = cloud_of("lab", "north")
    hand(cloud)
    (one,) = found(cloud)
    assert (one.finding, one.fact.kind, one.fact.name) == ("changed", kind, name)
    assert one.details[0].startswith(detail)


DELETED: list[tuple[str, str, Hand]] = [
    ("share", "network lab-edu-data with lab-edu-main", without("shares", lambda one: one.id != f"rbac:network:lab-edu-data:{EDU}")),
    ("route", "lab-edu-router: 10.64.0.0/26 via 10.64.8.1", routed("lab-edu-router", lambda routes: routes[1:])),
    ("router interface", "lab-edu-router-data", no("ports", "lab-edu-router-data")),
    ("port", "lab-platform-bastion", no("ports", "lab-platform-bastion")),
    (
        "security group rule",
        "",
        lambda cloud: cloud.give("security groups", "lab-edu-data", security_group_rules=rules_of(cloud, "lab-edu-data")[1:]),
    ),
    ("security group", "lab-edu-data", no("security groups", "lab-edu-data")),
    ("subnet", "lab-edu-data-v6", no("subnets", "lab-edu-data-v6")),
    ("instance", "lab-platform-bastion", no("instances", "lab-platform-bastion")),
    ("floating address", "lab-platform-bastion", lambda cloud: cloud.lists["floating addresses"].clear()),
    ("role assignment", "", lambda cloud: cloud.lists["assignments"].pop()),
    ("group membership", "lab-portal-automation in lab-portal-automation", lambda cloud: cloud.lists["members"].pop()),
    ("quota", "dns of lab-portal-main", lambda cloud: cloud.lists["dns quotas"].pop()),
    ("DNS zone", "edu.north.lab.gclz.internal.", no("DNS zones", "edu.north.lab.gclz.internal.")),
]


@pytest.mark.parametrize(("kind", "name", "hand"), DELETED, ids=[kind for kind, _, _ in DELETED])
def test_what_somebody_deleted_is_found(kind: str, name: str, hand: Hand) -> None:
    missing = [one for one in after(hand) if one[0] == "missing"]
    assert [one[2] for one in missing] == [kind]
    assert name in missing[0][3]


@pytest.mark.parametrize(
    "seen", [{"image": {"id": "gone"}}, {"image": ""}, {"status": "REBOOT"}, {"status": "VERIFY_RESIZE"}, {"status": "RESIZE"}]
)
def test_an_image_that_nobody_sees_any_more_and_a_start_anew_are_no_change(seen: dict[str, Any]) -> None:
    assert after(giving("instances", "lab-platform-bastion", **seen)) == []


def test_a_thing_of_the_same_name_made_by_hand_does_not_pass_for_ours() -> None:

    def hand(cloud: Cloud) -> None:
        first, *rest = rules_of(cloud, "lab-edu-data")
        cloud.give("security groups", "lab-edu-data", security_group_rules=[*rest, {**first, "id": "made again"}])

    assert sorted(one[0] for one in after(hand)) == ["missing", "not in the model"]


def test_what_goes_with_something_else_is_not_told_by_itself() -> None:
    twin = Network.existing(id="n", name="by-hand", project_id=f"p:{HUB}", tags=[])
    lot = Subnet.existing(
        id="s", name="lot", network_id="n", project_id=f"p:{HUB}", cidr="192.0.2.0/24", allocation_pools=[], dns_nameservers=[],
        host_routes=[],
    )  # fmt: skip
    assert after(adding("networks", twin), adding("subnets", lot)) == [("not in the model", "network", "network", "by-hand")]


def test_a_route_is_told_beside_its_router_which_leaves_no_network_while_a_route_leads_through_it() -> None:
    by_hand = Router.existing(
        id="r", name="by-hand", project_id=f"p:{HUB}", routes=[{"destination": "192.0.2.0/24", "nexthop": "10.64.0.9"}]
    )
    leg = port("net:lab-edu-data", "", name="leg", device_owner="network:router_interface", device_id="r")
    kinds = [kind for _, _, kind, _ in after(adding("routers", by_hand), adding("ports", leg))]
    assert kinds == ["route", "router interface", "router"]


def test_routes_of_a_router_of_ours_that_is_gone_are_not_told_by_themselves() -> None:
    gone = [one for one in after(no("routers", "lab-edu-router")) if one[2] in {"route", "router"}]
    assert gone == [("missing", "tenant-edu", "router", "lab-edu-router")]


def test_what_is_in_a_project_by_hand_is_told_beside_it_but_for_what_comes_and_goes_with_every_project() -> None:
    inside = together(
        adding("projects", Project.existing(id="p:own", name="own", domain_id="d:lab-edu")),
        adding("volumes", Volume.existing(id="v", name="theirs", project_id="p:own")),
        adding("networks", Network.existing(id="n", name="theirs", project_id="p:own")),
        adding("images", Image.existing(id="im", name="theirs", owner_id="p:own")),
        adding("ports", port("n", "own", name="theirs")),
        own_group("own", "theirs"),
        own_group("own", "default", rule("r", "egress", "IPv4", None, None, None, None)),
        adding("network quotas", ("p:own", {"network": 1})),
    )
    told = [(layer, kind, name) for _, layer, kind, name in after(inside)]
    kinds = ["volume", "image", "port", "security group", "network"]
    assert told == [*(("tenant-edu", kind, "theirs") for kind in kinds), ("tenant-edu", "project", "lab-edu/own")]


def test_what_the_file_no_longer_asks_for_is_known_to_be_of_an_earlier_up() -> None:
    cloud = cloud_of("lab", "north")
    edu = cloud.region.tenants["edu"]
    fewer = replace(edu, network=replace(edu.network, dns_zones=()))
    cloud.region = replace(cloud.region, tenants={**cloud.region.tenants, "edu": fewer})
    (one,) = found(cloud)
    assert (one.finding, one.fact.kind, one.managed) == ("not in the model", "DNS zone", True)


def test_kinds_that_cannot_be_read_are_told_and_do_not_count_as_missing() -> None:
    cloud = cloud_of("lab", "north")
    del cloud.lists["routers"]
    reading = Reading(cloud.lists, {"routers": "500"})
    assert live.unread(reading) == {"router": "500", "route": "500", "router interface": "500"}
    kinds = {fact.kind for fact in live.facts(reading, estate(cloud.region), {})}
    assert not kinds & {"router", "route", "router interface"}
    assert "network" in kinds


def test_the_tables_fit_each_other() -> None:
    assert set(live.TELLERS) == set(KINDS) - {"stack"}
    assert {source for sources, _ in live.TELLERS.values() for source in sources} <= {*LISTS, *EACH, *BASE, *HOLDERS}
    assert {kind.control for kind in KINDS.values()} <= set(controls())
    assert set(KINDS) - set(REMOVERS) == {"stack", "quota", "domain"}
    assert {kind for kind, _ in SETTERS} <= set(KINDS)
    assert {kind for _, kind, _, _ in BY_HAND} >= set(REMOVERS) - {"backup", "snapshot"}
    in_projects = {kind.name for kind in KINDS.values() if kind.tenants == "in its own projects"}
    assert in_projects - set(OF_PROJECTS) == {"container", "secret"}, "what only members see"
    assert all(f"| {kind} |" in page() for kind in KINDS)
