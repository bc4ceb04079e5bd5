"""A region as its services would list it when it is exactly what the plan says: objects of the SDK, ids made of names."""

from __future__ import annotations

from copy import copy
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from openstack.compute.v2.server import Server
from openstack.dns.v2.zone import Zone
from openstack.identity.v3.application_credential import ApplicationCredential
from openstack.identity.v3.domain import Domain
from openstack.identity.v3.group import Group
from openstack.identity.v3.project import Project
from openstack.identity.v3.role import Role
from openstack.identity.v3.role_assignment import RoleAssignment
from openstack.identity.v3.user import User
from openstack.image.v2.image import Image
from openstack.network.v2.address_scope import AddressScope
from openstack.network.v2.floating_ip import FloatingIP
from openstack.network.v2.network import Network
from openstack.network.v2.port import Port
from openstack.network.v2.rbac_policy import RBACPolicy
from openstack.network.v2.router import Router
from openstack.network.v2.security_group import SecurityGroup
from openstack.network.v2.subnet import Subnet
from openstack.network.v2.subnet_pool import SubnetPool

from landing_zone.drift.facts import of_owner
from landing_zone.drift.kinds import KINDS
from landing_zone.planners.plan import IdentitySpec, InstanceSpec, NetworkLayer, RegionPlan
from landing_zone.planners.quotas import by_calls
from stacks.identity import quota_args
from tests.unit.planners.support import planned

OUTSIDE = "net:public"


@dataclass
class Cloud:
    """Lists by source, as `reading.Reading` has them, to be changed by hand; `ids` are what the states know."""

    region: RegionPlan
    lists: dict[str, list[Any]] = field(default_factory=dict)
    ids: dict[tuple[str, str], str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.add("domains", Domain.existing(id="d:Default", name="Default"))
        self.add("projects", Project.existing(id="p:Default/admin", name="admin", domain_id="d:Default"))
        self.add("users", User.existing(id="u:Default/admin", name="admin", domain_id="d:Default"))
        self.add("networks", Network.existing(id=OUTSIDE, name=self.region.external_network, project_id="p:Default/admin"))
        for role in ("admin", "manager", "member", "reader"):
            self.add("roles", Role.existing(id=f"role:{role}", name=role))
        self.add("assignments", assignment("user", "u:Default/admin", "admin", {"project": {"id": "p:Default/admin"}}))
        tenants = self.region.tenants.values()
        for identity in (self.region.identity, *(tenant.identity for tenant in tenants)):
            self._identity(identity)
        for network in (self.region.network, *(tenant.network for tenant in tenants)):
            self._network(network)
        self._instance(self.region.access.bastion)

    def add(self, source: str, *things: Any) -> None:
        self.lists.setdefault(source, []).extend(things)

    def one(self, source: str, name: str) -> Any:
        return next(thing for thing in self.lists[source] if thing.name == name)

    def give(self, source: str, name: str, /, **values: Any) -> None:
        """Other values, by the service's own names, for the thing of that name."""
        old = self.one(source, name)
        body = old.to_dict(computed=False, original_names=True)
        new = type(old).existing(**{**{key: value for key, value in body.items() if value is not None}, **values})
        self.lists[source] = [new if thing is old else thing for thing in self.lists[source]]

    def _made(self, source: str, kind: str, thing: Any, known_as: str = "") -> None:
        self.add(source, thing)
        self.ids[KINDS[kind].resource, known_as or thing.name] = thing.id

    def _identity(self, spec: IdentitySpec) -> None:
        for domain in spec.domains:
            made = Domain.existing(id=f"d:{domain.name}", name=domain.name, description=domain.description, enabled=True)
            self._made("domains", "domain", made)
        for project in spec.projects:
            self._made(
                "projects",
                "project",
                Project.existing(
                    id=f"p:{project.name}", name=project.name, domain_id=f"d:{project.domain}", description=project.description,
                    enabled=True, tags=list(project.tags),
                ),
            )  # fmt: skip
            args = quota_args(project.quota, self.region.demand.services)
            parts = {
                "compute": args.compute, "network": args.network, "block-storage": args.volume, "load-balancer": args.load_balancer,
                "dns": args.dns,
            }  # fmt: skip
            for service, part in parts.items():
                self.add(f"{service} quotas", (f"p:{project.name}", {**vars(part), "more": -1}))
            for service, figures in by_calls(project.quota, self.region.demand.services).items():
                self.add(f"{service} quotas", (f"p:{project.name}", figures))
        for group in spec.groups:
            made_group = Group.existing(id=f"g:{group.name}", name=group.name, domain_id=f"d:{group.domain}", description=group.description)
            self._made("groups", "group", made_group)
        for user in spec.machine_users:
            made_user = User.existing(
                id=f"u:{user.name}", name=user.name, domain_id=f"d:{user.domain}", description=user.description, enabled=True
            )
            self._made("users", "user", made_user)
            for name in user.groups:
                self.add("members", (f"g:{name}", made_user))
        for one in spec.credentials:
            made_credential = ApplicationCredential.existing(
                id=f"ac:{one.name}", name=f"{one.name}-20260101T000000000000Z", unrestricted=False, expires_at="2026-04-01T00:00:00Z",
                access_rules=[{"service": "compute", "method": "GET", "path": "/**"}],
            )  # fmt: skip
            self.add("application credentials", (f"u:{one.user}", made_credential))
            self.ids[KINDS["application credential"].resource, of_owner(one.name, one.user)] = made_credential.id
        for grant in spec.grants:
            scope: dict[str, Any] = {grant.scope: {"id": f"{grant.scope[0]}:{grant.target}"}}
            if grant.inherited:
                scope["OS-INHERIT:inherited_to"] = "projects"
            self.add("assignments", assignment("group", f"g:{grant.group}", grant.role, scope))

    def _network(self, spec: NetworkLayer) -> None:
        for scope in spec.address_scopes:
            made = AddressScope.existing(
                id=f"as:{scope.name}", name=scope.name, project_id=f"p:{scope.project}", ip_version=scope.ip_version
            )
            self._made("address scopes", "address scope", made)
        for pool in spec.subnet_pools:
            self._made(
                "subnet pools",
                "subnet pool",
                SubnetPool.existing(
                    id=f"sp:{pool.name}", name=pool.name, project_id=f"p:{pool.project}", address_scope_id=f"as:{pool.address_scope}",
                    prefixes=list(pool.prefixes), min_prefixlen=pool.min_prefix_length, max_prefixlen=pool.max_prefix_length,
                    default_prefixlen=pool.default_prefix_length,
                ),
            )  # fmt: skip
        for network in spec.networks:
            self._made(
                "networks",
                "network",
                Network.existing(
                    id=f"net:{network.name}", name=network.name, project_id=f"p:{network.project}", description=network.description,
                    admin_state_up=True, port_security_enabled=True, tags=list(network.tags),
                ),
            )  # fmt: skip
            for subnet in network.subnets:
                self._made(
                    "subnets",
                    "subnet",
                    Subnet.existing(
                        id=f"sub:{subnet.name}", name=subnet.name, network_id=f"net:{network.name}", project_id=f"p:{network.project}",
                        cidr=subnet.cidr, ip_version=subnet.ip_version, gateway_ip=subnet.gateway, enable_dhcp=subnet.dhcp,
                        allocation_pools=[{"start": pool.first, "end": pool.last} for pool in subnet.pools],
                        dns_nameservers=list(subnet.dns_nameservers), host_routes=[], ipv6_address_mode=subnet.ipv6_mode,
                        ipv6_ra_mode=subnet.ipv6_mode, subnetpool_id=f"sp:{subnet.subnet_pool}", tags=list(network.tags),
                    ),
                )  # fmt: skip
            self.add("ports", port(f"net:{network.name}", "", device_owner="network:distributed", device_id=f"ovnmeta-net:{network.name}"))
            self._shares("network", f"net:{network.name}", network.name, network.shared_with)
        for router in spec.routers:
            outer = {"network_id": OUTSIDE, "enable_snat": router.snat} if router.external_network else None
            self._made(
                "routers",
                "router",
                Router.existing(
                    id=f"r:{router.name}", name=router.name, project_id=f"p:{router.project}", description=router.description,
                    admin_state_up=True, external_gateway_info=outer, tags=list(router.tags),
                    routes=[{"destination": route.destination, "nexthop": route.next_hop} for route in router.routes],
                ),
            )  # fmt: skip
            for leg in router.legs:
                addresses = [ip for _, ip in leg.addresses]
                owner, device = "network:router_interface", f"r:{router.name}"
                made_leg = port(f"net:{leg.network}", router.project, *addresses, name=leg.port, device_owner=owner, device_id=device)
                self._made("ports", "router interface", made_leg)
        for group in spec.security_groups:
            rules = [
                {**rule(f"rule:{group.name}.{one.key}", one.direction, one.ethertype, one.protocol, one.port_min, one.port_max,
                        one.remote_prefix), "description": one.description}
                for one in group.rules
            ]  # fmt: skip
            self._made(
                "security groups",
                "security group",
                SecurityGroup.existing(
                    id=f"sg:{group.name}", name=group.name, project_id=f"p:{group.project}", description=group.description,
                    stateful=True, security_group_rules=rules, tags=list(group.tags),
                ),
            )  # fmt: skip
            for one in group.rules:
                self.ids[KINDS["security group rule"].resource, f"{group.name}.{one.key}"] = f"rule:{group.name}.{one.key}"
            self._shares("security_group", f"sg:{group.name}", group.name, group.shared_with)
        for zone in spec.dns_zones:
            made_zone = Zone.existing(
                id=f"z:{zone.name}", name=zone.name, project_id=f"p:{zone.project}", email=zone.email, ttl=zone.ttl,
                description=zone.description,
            )  # fmt: skip
            self._made("DNS zones", "DNS zone", made_zone)
            for kind in ("SOA", "NS"):
                record = {"id": f"{kind}:{zone.name}", "zone_id": f"z:{zone.name}", "zone_name": zone.name, "name": zone.name, "type": kind}
                self.add("DNS records", record)

    def _shares(self, kind: str, identity: str, name: str, projects: tuple[str, ...]) -> None:
        for project in projects:
            made = share(f"rbac:{kind}:{name}:{project}", kind, identity, f"p:{project}")
            self.add("shares", made)
            self.ids[KINDS["share"].resource, f"{kind} {name}--{project}"] = made.id

    def _instance(self, spec: InstanceSpec) -> None:
        made = port(
            f"net:{spec.network}", spec.project, *(ip for _, ip in spec.addresses), name=spec.name, description=spec.description,
            device_owner="compute:nova", security_groups=[f"sg:{group}" for group in spec.security_groups], tags=list(spec.tags),
        )  # fmt: skip
        self._made("ports", "port", made)
        server = Server.existing(
            id=f"i:{spec.name}", name=spec.name, flavor={"original_name": spec.flavor}, key_name=None,
            project_id=f"p:{spec.project}", availability_zone=spec.availability_zone, image={"id": f"im:{spec.image}"}, status="ACTIVE",
        )  # fmt: skip
        self.add("images", Image.existing(id=f"im:{spec.image}", name=spec.image, owner_id="p:Default/admin"))
        self._made("instances", "instance", server)
        address = FloatingIP.existing(
            id=f"fip:{spec.name}", floating_ip_address="198.18.0.9", project_id=f"p:{spec.project}", port_id=made.id,
            description=spec.name, tags=list(spec.tags),
        )  # fmt: skip
        self.add("floating addresses", address)
        self.ids[KINDS["floating address"].resource, spec.name] = address.id


def port(network: str, project: str, *addresses: str, **more: Any) -> Port:
    settings: dict[str, Any] = {
        "name": "", "description": "", "admin_state_up": True, "port_security_enabled": True, "security_groups": [],
        "allowed_address_pairs": [], "device_id": "", "device_owner": "", "tags": [],
    }  # fmt: skip
    identity = f"port:{more.get('name') or more.get('device_id') or ','.join(addresses)}"
    fixed = [{"ip_address": ip, "subnet_id": "any"} for ip in addresses]
    return Port.existing(id=identity, network_id=network, project_id=f"p:{project}", fixed_ips=fixed, **{**settings, **more})


def rule(
    identity: str, direction: str, ethertype: str, protocol: str | None, low: int | None, high: int | None, remote: str | None,
    group: str | None = None,
) -> dict[str, Any]:  # fmt: skip
    return {
        "id": identity, "direction": direction, "ethertype": ethertype, "protocol": protocol, "port_range_min": low,
        "port_range_max": high, "remote_ip_prefix": remote, "remote_group_id": group, "description": "",
    }  # fmt: skip


def share(identity: str, kind: str, what: str, target: str) -> RBACPolicy:
    return RBACPolicy.existing(id=identity, object_type=kind, object_id=what, target_tenant=target, action="access_as_shared")


def assignment(kind: str, holder: str, role: str, scope: dict[str, Any]) -> RoleAssignment:
    body: dict[str, Any] = {"role": {"id": f"role:{role}"}, "scope": scope, kind: {"id": holder}}
    return RoleAssignment.existing(**body)


@cache
def _whole(environment: str, region: str) -> Cloud:
    return Cloud(planned(environment).regions[region])


def cloud_of(environment: str, region: str) -> Cloud:
    """A cloud that may be changed; the things in it are shared with others, and so replaced, never changed themselves."""
    whole = _whole(environment, region)
    made = copy(whole)
    made.lists = {source: list(things) for source, things in whole.lists.items()}
    return made
