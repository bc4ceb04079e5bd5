"""Drift on the live lab: in a part of a landing zone that stands, one thing of every kind is made by hand, and others are changed
or deleted. Each is found, nothing else is, and `--fix` puts all of it right."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from typing import Any

import pytest
from openstack.connection import Connection
from openstack.exceptions import raise_from_response

from landing_zone.drift.facts import grant_name, of_owner, route_name, rule_name, share_name, zone_share_name, zone_transfer_name
from landing_zone.drift.kinds import KINDS
from landing_zone.drift.live.identity import QUOTAS
from landing_zone.engine.clouds import connect, keystone
from landing_zone.engine.credentials import as_machine
from landing_zone.engine.orphans import ALL_PROJECTS
from landing_zone.engine.runs import Run
from stacks.inputs import password_name
from tests.lab.conftest import PART
from tests.support.command import lz

pytestmark = [pytest.mark.lab, pytest.mark.timeout(600)]

Found = tuple[str, str, str]  # kind, finding, name
HAND = "by-hand"
NETWORKS = "lab-edu-network"  # the project of a tenant's networks, in which nothing else may be
WORK = "lab-edu-main"  # the project of its applications
ROBOT = "lab-edu-automation"
ADDED, MISSING, CHANGED = "not in the model", "missing", "changed"


def drift(*words: str) -> tuple[int, set[Found]]:
    """What `lz drift` finds, and its exit status."""
    done = lz("drift", *PART, *words, "--json")
    assert done.returncode in {0, 4}, done.stderr or done.stdout
    found = [(one["kind"], one["finding"], one["name"]) for one in json.loads(done.stdout)["differences"]]
    assert len(found) == len(set(found)), "told twice"
    return done.returncode, set(found)


class Hand:
    """Somebody with the administrator's rights and the plain SDK. `done` is what there is to be found."""

    def __init__(self, run: Run, admin: Connection) -> None:
        self.admin = admin
        self.run = run
        self.plan = run.plan.regions["north"]
        self.identity: Any = keystone(admin)
        self.network: Any = admin.network
        self.projects = {each.name: each for each in self.identity.projects() if each.name.startswith("lab-")}
        self.domains = {each.name: each for each in self.identity.domains()}
        self.groups = {each.name: each for each in self.identity.groups() if each.name.startswith("lab-")}
        self.users = {each.name: each for each in self.identity.users() if each.name.startswith("lab-")}
        self.roles = {each.name: each for each in self.identity.roles()}
        self.nets = {each.name: each for each in self.network.networks()}
        self.subnets = {each.name: each for each in self.network.subnets()}
        self.guards = {each.name: each for each in self.network.security_groups() if each.name != "default"}
        self.routers = {each.name: each for each in self.network.routers()}
        self.robot = connect(
            run.clouds["lab-north"],
            "north",
            username=ROBOT,
            password=run.stacks.home.secret(password_name("north", ROBOT)),
            user_domain_name="lab-edu",
            project_name=WORK,
            project_domain_name="lab-edu",
        )
        self.done: set[Found] = set()

    def add(self, kind: str, name: str) -> None:
        self.done.add((kind, ADDED, name))

    # ------------------------------------------------------------------------------------------- what is added
    def accounts(self) -> None:
        """The robot gets credentials, a group and a role more; a user, a group and a project come into being."""
        compute, own = self.robot.compute, keystone(self.robot)
        robot = self.users[ROBOT]
        compute.create_keypair(name=HAND)
        self.add("key pair", of_owner(HAND, ROBOT))
        own.create_application_credential(user=robot.id, name=HAND)
        self.add("application credential", of_owner(HAND, ROBOT))
        blob = json.dumps({"access": HAND, "secret": HAND})
        key = self.identity.create_credential(user_id=robot.id, project_id=self.projects[WORK].id, type="ec2", blob=blob)
        self.add("access key", of_owner(f"ec2 {key.id[:8]}", ROBOT))
        other = self.users["lab-platform-automation"]
        given = {"project_id": self.projects[WORK].id, "roles": [{"name": "member"}]}
        own.create_trust(trustor_user_id=robot.id, trustee_user_id=other.id, is_impersonation=True, **given)
        self.add("trust", f"{ROBOT} to {other.name} in {WORK}")
        self.identity.add_user_to_group(robot, self.groups["lab-platform-operators"])
        self.add("group membership", f"{ROBOT} in lab-platform-operators")
        members = self.groups["lab-edu-members"]
        self.identity.assign_project_role_to_group(self.projects[NETWORKS], members, self.roles["member"])
        self.add("role assignment", grant_name("group lab-edu-members", "member", "project", NETWORKS, inherited=False))
        self.identity.create_user(name=HAND, domain_id=self.domains["lab-platform"].id)
        self.add("user", f"lab-platform/{HAND}")
        self.identity.create_group(name=HAND, domain_id=self.domains["lab-edu"].id)
        self.add("group", f"lab-edu/{HAND}")
        own = self.identity.create_project(name=HAND, domain_id=self.domains["lab-edu"].id)
        self.network.create_network(name=f"{HAND}-inside", project_id=own.id)  # brings a default security group, which is not told
        self.add("network", f"{HAND}-inside")
        self.add("project", f"lab-edu/{HAND}")

    def limits(self) -> None:
        """Room for what follows, in every service's quota."""
        project = self.projects[NETWORKS].id
        self.admin.compute.update_quota_set(project, instances=1, cores=2, ram=4096, server_groups=1)
        self.admin.block_storage.update_quota_set(
            project, volumes=1, gigabytes=4, per_volume_gigabytes=4, snapshots=1, backups=1, backup_gigabytes=4
        )
        self.network.update_quota(project, floating_ips=1, subnet_pools=1)
        self.admin.load_balancer.update_quota(project, load_balancers=1)
        self.admin.dns.patch(f"/quotas/{project}", json={"zones": 3}, headers=ALL_PROJECTS).raise_for_status()
        store = str(self.admin.object_store.get_endpoint()).removesuffix(str(self.admin.current_project_id))
        self.admin.object_store.post(f"{store}{project}", headers={"X-Account-Meta-Quota-Bytes": str(2**32)}).raise_for_status()
        secrets = {"project_quotas": {"secrets": 3}}
        self.admin.key_manager.put(f"/project-quotas/{project}", json=secrets).raise_for_status()
        self.done |= {("quota", CHANGED, of_owner(service, NETWORKS)) for service in QUOTAS}

    def networks(self) -> None:
        """Every kind of a network's parts."""
        ours: Any = {"project_id": self.projects[NETWORKS].id, "name": HAND}
        data = self.nets["lab-edu-data"]
        self.network.create_rbac_policy(
            object_id=data.id,
            object_type="network",
            action="access_as_shared",
            target_project_id=self.projects["lab-platform-management"].id,
        )
        self.add("share", share_name("network", data.name, "lab-platform-management"))
        address = self.network.create_ip(floating_network_id=self.nets["public"].id, project_id=ours["project_id"])
        self.add("floating address", address.floating_ip_address)
        parent = self.network.create_port(network_id=data.id, **ours)
        self.add("port", HAND)
        self.network.create_trunk(port_id=parent.id, is_admin_state_up=False, **ours)
        self.add("trunk", HAND)
        self.network.create_port(
            network_id=self.nets["public"].id, project_id=self.projects[WORK].id, name=f"{HAND}-outside", security_group_ids=[]
        )
        self.add("port", f"{HAND}-outside")
        self.network.create_port(
            network_id=data.id,
            project_id=self.projects[WORK].id,
            name=f"{HAND}-open",
            fixed_ips=[{"subnet_id": self.subnets["lab-edu-data-v4"].id}],
            is_port_security_enabled=False,
            security_group_ids=[],
        )
        self.add("port security", f"off for port {HAND}-open in {data.name}")
        self.network.create_security_group_rule(
            security_group_id=self.guards["lab-edu-data"].id, direction="ingress", ether_type="IPv4", protocol="tcp",
            port_range_min=9999, port_range_max=9999, remote_ip_prefix="10.0.0.0/8",
        )  # fmt: skip
        self.add("security group rule", rule_name("lab-edu-data", "ingress", "IPv4", "tcp", (9999, 9999), "10.0.0.0/8"))
        default = next(self.network.security_groups(project_id=self.projects[WORK].id, name="default"))
        self.network.create_security_group_rule(security_group_id=default.id, direction="egress", ether_type="IPv4")
        self.add("security group rule", rule_name(f"{WORK}/default", "egress", "IPv4", None, (None, None), ""))
        several = self.network.create_address_group(name=HAND, project_id=self.projects[WORK].id, addresses=["0.0.0.0/1", "128.0.0.0/1"])
        own = self.network.create_security_group(name=f"{HAND}-own", project_id=self.projects[WORK].id)
        self.network.create_security_group_rule(
            security_group_id=own.id, direction="ingress", ether_type="IPv4", protocol="tcp", port_range_min=22, port_range_max=22,
            remote_address_group_id=several.id,
        )  # fmt: skip
        name = rule_name(f"{WORK}/{HAND}-own", "ingress", "IPv4", "tcp", (22, 22), f"address group {HAND}")
        self.add("security group rule", name)
        self.network.create_security_group(**ours)
        self.add("security group", HAND)
        self.network.create_address_group(addresses=["10.0.0.0/16"], **ours)
        self.add("address group", HAND)
        routes = {"router": {"routes": [{"destination": "203.0.113.0/24", "nexthop": "10.64.8.1"}]}}
        self.network.add_extra_routes_to_router(self.routers["lab-edu-router"], body=routes)
        self.add("route", route_name("lab-edu-router", "203.0.113.0/24", "10.64.8.1"))
        router = self.network.create_router(**ours)
        self.add("router", HAND)
        leg = self.network.create_port(network_id=data.id, **{**ours, "name": f"{HAND}-leg"})
        self.network.add_interface_to_router(router, port=leg.id)
        self.add("router interface", f"{HAND}-leg")
        hop = self.subnets["lab-edu-data-v4"].gateway_ip
        self.network.add_extra_routes_to_router(router, body={"router": {"routes": [{"destination": "203.0.113.0/24", "nexthop": hop}]}})
        self.add("route", route_name(HAND, "203.0.113.0/24", hop))
        net = self.network.create_network(**ours)
        self.add("network", HAND)  # with a subnet, which goes away with it and is not told by itself
        self.network.create_subnet(network_id=net.id, ip_version=4, cidr="203.0.113.0/24", **ours)
        scope = self.network.create_address_scope(ip_version=4, **ours)
        self.add("address scope", HAND)
        self.network.create_subnet_pool(
            address_scope_id=scope.id, prefixes=["203.0.113.0/24"], minimum_prefix_length=29, maximum_prefix_length=29, **ours
        )
        self.add("subnet pool", HAND)
        pool = self.network.find_subnet_pool("lab-platform-v4")
        self.network.create_subnet(
            network_id=data.id, ip_version=4, cidr="10.64.255.0/29", subnet_pool_id=pool.id, is_dhcp_enabled=False, **ours
        )
        self.add("subnet", HAND)

    def inside(self) -> None:
        """Things that hold data, and names, in a project for nothing but networks; the administrator takes a role there first."""
        user: Any = self.identity.get_user(str(self.admin.current_user_id))
        self.identity.assign_project_role_to_user(self.projects[NETWORKS], user, self.roles["admin"])
        self.add("role assignment", grant_name(f"user Default/{user.name}", "admin", "project", NETWORKS, inherited=False))
        there = self.admin.connect_as_project(self.projects[NETWORKS])
        volume = there.block_storage.create_volume(name=HAND, size=1)
        subnet = self.subnets["lab-edu-data-v4"]
        balancer = there.load_balancer.create_load_balancer(name=HAND, vip_subnet_id=subnet.id, project_id=self.projects[NETWORKS].id)
        flavor: Any = there.compute.find_flavor("SCS-1L-1-5")
        image: Any = there.image.find_image("debian-13")
        there.compute.create_server_group(name=HAND, policy="anti-affinity")
        there.image.create_image(HAND, data=b"a little content", disk_format="raw", container_format="bare", wait=True)
        there.compute.create_server(name=HAND, flavor_id=flavor.id, image_id=image.id, networks="none")
        zone = next(each for each in there.dns.zones() if each.name.startswith("edu.north."))
        there.dns.create_recordset(zone, name=f"{HAND}.{zone.name}", type="A", records=["203.0.113.1"], ttl=300)
        self.add("DNS record", f"{HAND}.{zone.name} A")
        there.dns.create_recordset(zone, name=f"{HAND}-sub.{zone.name}", type="NS", records=["ns.elsewhere.example."], ttl=300)
        self.add("DNS record", f"{HAND}-sub.{zone.name} NS")
        there.dns.create_zone_share(zone, target_project_id=self.projects["lab-platform-management"].id)
        self.add("DNS zone share", zone_share_name(zone.name, "lab-platform-management"))
        raise_from_response(there.dns.post(f"/zones/{zone.id}/tasks/transfer_requests", json={}))  # the library has no address for it
        self.add("DNS zone transfer", zone_transfer_name(zone.name, ""))
        there.dns.create_zone(name=f"{HAND}.{zone.name}", email="a@b.example", ttl=300)
        self.add("DNS zone", f"{HAND}.{zone.name}")
        there.block_storage.wait_for_status(volume, "available", wait=60)
        snapshot = there.block_storage.create_snapshot(name=HAND, volume_id=volume.id)
        there.block_storage.wait_for_status(snapshot, "available", wait=60)
        backup = there.block_storage.create_backup(name=HAND, volume_id=volume.id)
        there.block_storage.wait_for_status(backup, "available", wait=60)
        there.block_storage.wait_for_status(volume, "available", wait=60)
        there.block_storage.create_transfer(volume_id=volume.id, name=HAND)
        there.load_balancer.wait_for_load_balancer(balancer.id, wait=60)
        desk = self.desk()
        desk.object_store.create_container(HAND)
        desk.object_store.upload_object(HAND, "paper", data=b"paper")
        desk.key_manager.create_secret(name=HAND, payload="seal", payload_content_type="text/plain")
        for kind in ("container", "secret", "instance", "server group", "image", "volume", "snapshot", "backup", "load balancer"):
            self.add(kind, HAND)
        self.add("port", self.network.get_port(balancer.vip_port_id).name)  # the balancer's own

    def desk(self) -> Connection:
        """Who works in the platform's own project."""
        return as_machine(self.run, self.plan, self.plan.identity.machine_users[0], "lab-platform-management")

    # -------------------------------------------------------------------------------- what is changed or deleted
    def delete(self) -> None:
        """One of each kind that can go by itself."""
        rule = next(
            each
            for each in self.network.security_group_rules(security_group_id=self.guards["lab-edu-application"].id)
            if each.port_range_min == 8080 and each.ether_type == "IPv4"
        )
        self.network.delete_security_group_rule(rule)
        prefix = rule.remote_ip_prefix
        self.lose("security group rule", rule_name("lab-edu-application", "ingress", "IPv4", "tcp", (8080, 8080), prefix))
        shown = next(self.network.rbac_policies(object_type="security_group", object_id=self.guards["lab-edu-data"].id))
        self.network.delete_rbac_policy(shown)
        self.lose("share", share_name("security_group", "lab-edu-data", WORK))
        router = self.routers["lab-edu-router"]
        routes = {"router": {"routes": [{"destination": "10.64.0.0/26", "nexthop": "10.64.8.1"}]}}
        self.network.remove_extra_routes_from_router(router, body=routes)
        self.lose("route", route_name(router.name, "10.64.0.0/26", "10.64.8.1"))
        leg = self.network.find_port("lab-edu-router-application")
        self.network.remove_interface_from_router(router, port=leg.id)
        self.lose("router interface", leg.name)
        self.identity.unassign_project_role_from_group(self.projects[WORK], self.groups["lab-edu-readers"], self.roles["reader"])
        self.lose("role assignment", grant_name("group lab-edu-readers", "reader", "project", WORK, inherited=False))
        self.identity.remove_user_from_group(self.users[ROBOT], self.groups[ROBOT])
        self.lose("group membership", f"{ROBOT} in {ROBOT}")
        zone = next(each for each in self.admin.dns.zones(all_projects=True) if each.name.startswith("platform.north."))
        self.admin.dns.delete(f"/zones/{zone.id}", headers=ALL_PROJECTS).raise_for_status()
        self.lose("DNS zone", zone.name)

    def lose(self, kind: str, name: str) -> None:
        self.done.add((kind, MISSING, name))

    def change(self) -> None:
        """One setting of each kind that has any."""
        self.network.update_network(self.nets["lab-edu-application"], is_port_security_enabled=False)
        self.network.update_subnet(
            self.subnets["lab-edu-application-v4"], host_routes=[{"destination": "203.0.113.0/24", "nexthop": "10.64.17.130"}]
        )
        self.network.update_subnet(self.subnets["lab-edu-data-v4"], dns_nameservers=["203.0.113.1"])
        self.network.update_router(self.routers["lab-platform-hub"], is_admin_state_up=False)
        self.network.update_security_group(self.guards["lab-edu-data"], name="renamed")
        self.network.update_subnet_pool(self.network.find_subnet_pool("lab-platform-v4"), default_prefix_length=26)
        self.network.update_address_scope(self.network.find_address_scope("lab-platform-v6"), name="renamed")
        self.identity.update_group(self.groups["lab-edu-members"], description="of somebody else")
        self.identity.update_user(self.users[ROBOT], is_enabled=False)  # not the platform's: what that cannot see is not judged
        self.identity.update_project(self.projects[WORK], is_enabled=False)
        self.identity.update_domain(self.domains["lab-edu"], description="of somebody else")
        self.done |= {
            ("network", CHANGED, "lab-edu-application"),
            ("subnet", CHANGED, "lab-edu-application-v4"),
            ("subnet", CHANGED, "lab-edu-data-v4"),
            ("router", CHANGED, "lab-platform-hub"),
            ("security group", CHANGED, "lab-edu-data"),
            ("subnet pool", CHANGED, "lab-platform-v4"),
            ("address scope", CHANGED, "lab-platform-v6"),
            ("group", CHANGED, "lab-edu-members"),
            ("user", CHANGED, ROBOT),
            ("project", CHANGED, WORK),
            ("domain", CHANGED, "lab-edu"),
        }

    def tenants_own(self) -> None:
        """What a tenant may have without anybody asking."""
        own = self.network.find_security_group(f"{HAND}-own")
        self.network.create_port(
            network_id=self.nets["lab-edu-data"].id,
            project_id=self.projects[WORK].id,
            name=f"{HAND}-own",
            fixed_ips=[{"subnet_id": self.subnets["lab-edu-data-v4"].id}],  # one in the strange subnet would keep that from going
            security_group_ids=[own.id],
        )

    def clear(self) -> None:
        """What `--fix` leaves: what is the tenant's, and what is of the layer access, which is not asked for."""
        desk = self.desk()
        desk.object_store.delete_object("paper", container=HAND)
        desk.object_store.delete_container(HAND)
        for secret in desk.key_manager.secrets(name=HAND):
            raise_from_response(desk.key_manager.delete(f"/secrets/{secret.secret_ref.rsplit('/', 1)[-1]}"))
        for port in self.network.ports(project_id=self.projects[WORK].id):
            if port.name.startswith(HAND):
                self.network.delete_port(port)
        for group in self.network.security_groups(name=f"{HAND}-own"):
            self.network.delete_security_group(group)
        for several in self.network.address_groups(name=HAND):
            self.network.delete_address_group(several)


@pytest.fixture(scope="module")
def hand(part: Run, admin: Connection) -> Iterator[Hand]:
    hand = Hand(part, admin)
    assert drift() == (0, set())
    yield hand
    with contextlib.suppress(Exception):
        hand.clear()


def test_everything_that_somebody_did_by_hand_is_found_and_nothing_else(hand: Hand) -> None:
    hand.limits()
    hand.accounts()
    hand.networks()
    hand.inside()
    hand.tenants_own()
    hand.delete()
    hand.change()
    code, found = drift("--layer", "access")
    assert code == 4
    assert found == {*hand.done, ("stack", MISSING, "lab.north.access")}
    assert {kind for kind, _, _ in found} == set(KINDS)


def test_fix_puts_all_of_it_right(hand: Hand) -> None:
    named = [f"--yes-delete-data={name}" for kind, finding, name in sorted(hand.done) if finding == ADDED and KINDS[kind].data]
    code, left = drift("--fix", "--yes", *named)
    assert (code, left) == (0, set())
    changes = json.loads(lz("plan", *PART, "--full", "--json").stdout)
    assert {kind for stack in changes for kind in stack["changes"]} == {"same"}
