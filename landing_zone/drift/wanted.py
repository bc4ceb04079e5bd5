"""The plan of a region as facts."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import asdict

from landing_zone.drift.facts import Fact, Value, grant_name, of_owner, route_name, rule_name, share_name, texts
from landing_zone.drift.kinds import KINDS
from landing_zone.planners.plan import (
    IdentitySpec,
    InstanceSpec,
    NetworkLayer,
    NetworkSpec,
    ProjectSpec,
    RegionPlan,
    RouterSpec,
    SecurityGroupSpec,
)
from landing_zone.planners.quotas import by_calls
from landing_zone.planners.shares import identities, network_layers
from stacks.identity import quota_args

Ids = Mapping[tuple[str, str], str]  # (type token, name in the state) -> id


class Wanted:
    """Facts of one region. `ids` are those that the states know; `layers` are the layers that are wanted at all."""

    def __init__(self, region: RegionPlan, ids: Ids, layers: Collection[str]) -> None:
        self._region = region
        self._ids = ids
        self._layers = layers

    def facts(self) -> Iterator[Fact]:
        """Every fact that the plan wants in these layers."""
        for layer, identity in identities(self._region):
            if layer in self._layers:
                yield from self._identity(layer, identity)
        for layer, network in network_layers(self._region):
            if layer in self._layers:
                yield from self._network(layer, network)
        if "access" in self._layers:
            yield from self._instances("access", [self._region.access.bastion])
        if "probes" in self._layers:
            yield from self._instances("probes", self._region.probes.instances)

    def _fact(self, kind: str, name: str, layer: str, known_as: str = "", parent: str = "", **values: Value) -> Fact:
        said = {key.replace("_", " "): value for key, value in values.items()}
        return Fact(kind, name, layer, said, self._id(kind, known_as or name), parent)

    def _id(self, kind: str, name: str) -> str:
        return self._ids.get((KINDS[kind].resource, name), "")

    def _identity(self, layer: str, spec: IdentitySpec) -> Iterator[Fact]:
        for domain in spec.domains:
            yield self._fact("domain", domain.name, layer, description=domain.description, enabled=True)
        for project in spec.projects:
            yield self._fact(
                "project",
                project.name,
                layer,
                domain=project.domain,
                description=project.description,
                enabled=True,
                tags=texts(project.tags),
            )
            yield from self._quotas(layer, project)
        for group in spec.groups:
            yield self._fact("group", group.name, layer, domain=group.domain, description=group.description)
        for user in spec.machine_users:
            yield self._fact("user", user.name, layer, domain=user.domain, description=user.description, enabled=True)
            for name in user.groups:
                group_id = self._id("group", name)
                at = {"group": group_id, "user": self._id("user", user.name)}
                yield Fact("group membership", f"{user.name} in {name}", layer, parent=group_id, at=at)
        for one in spec.credentials:
            name = of_owner(one.name, one.user)
            owner = self._id("user", one.user)
            yield self._fact("application credential", name, layer, parent=owner, unrestricted=False, ends=True, rules=True)
        for grant in spec.grants:
            name = grant_name(f"group {grant.group}", grant.role, grant.scope, grant.target, inherited=grant.inherited)
            yield self._fact("role assignment", name, layer)

    def _quotas(self, layer: str, project: ProjectSpec) -> Iterator[Fact]:
        args = quota_args(project.quota, self._region.demand.services)
        parts: dict[str, Mapping[str, Value]] = {"compute": asdict(args.compute), "network": asdict(args.network)}
        if args.volume:
            parts["block-storage"] = asdict(args.volume)
        if args.load_balancer:
            parts["load-balancer"] = asdict(args.load_balancer)
        if args.dns:
            parts["dns"] = asdict(args.dns)
        parts |= by_calls(project.quota, self._region.demand.services)
        for service, limits in parts.items():
            yield Fact("quota", of_owner(service, project.name), layer, limits, parent=self._id("project", project.name))

    def _network(self, layer: str, spec: NetworkLayer) -> Iterator[Fact]:
        for scope in spec.address_scopes:
            yield self._fact("address scope", scope.name, layer, project=scope.project, family=scope.ip_version)
        for pool in spec.subnet_pools:
            yield self._fact(
                "subnet pool",
                pool.name,
                layer,
                project=pool.project,
                address_scope=pool.address_scope,
                prefixes=texts(pool.prefixes),
                shortest=pool.min_prefix_length,
                longest=pool.max_prefix_length,
                default=pool.default_prefix_length,
            )
        for network in spec.networks:
            yield from self._one_network(layer, network)
        for router in spec.routers:
            yield from self._router(layer, router)
        for group in spec.security_groups:
            yield from self._group(layer, group)
        for zone in spec.dns_zones:
            yield self._fact(
                "DNS zone", zone.name, layer, project=zone.project, email=zone.email, ttl=zone.ttl, description=zone.description
            )

    def _one_network(self, layer: str, network: NetworkSpec) -> Iterator[Fact]:
        yield self._fact(
            "network",
            network.name,
            layer,
            project=network.project,
            description=network.description,
            up=True,
            port_security=True,
            tags=texts(network.tags),
        )
        for subnet in network.subnets:
            yield self._fact(
                "subnet",
                subnet.name,
                layer,
                parent=self._id("network", network.name),
                network=network.name,
                prefix=subnet.cidr,
                gateway=subnet.gateway,
                dhcp=subnet.dhcp,
                pools=texts(f"{pool.first}-{pool.last}" for pool in subnet.pools),
                name_servers=texts(subnet.dns_nameservers),
                host_routes=(),
                address_mode=subnet.ipv6_mode,
                advertisement_mode=subnet.ipv6_mode,
                subnet_pool=subnet.subnet_pool,
                tags=texts(network.tags),
            )
        yield from self._shares(layer, "network", network.name, network.shared_with)

    def _shares(self, layer: str, kind: str, name: str, projects: Iterable[str]) -> Iterator[Fact]:
        for project in projects:
            yield self._fact("share", share_name(kind, name, project), layer, known_as=f"{kind} {name}--{project}")

    def _router(self, layer: str, router: RouterSpec) -> Iterator[Fact]:
        identity = self._id("router", router.name)
        yield self._fact(
            "router",
            router.name,
            layer,
            project=router.project,
            description=router.description,
            up=True,
            external_network=router.external_network,
            snat=router.snat,
            tags=texts(router.tags),
        )
        for leg in router.legs:
            yield self._fact(
                "router interface",
                leg.port,
                layer,
                router=router.name,
                network=leg.network,
                addresses=texts(ip for _, ip in leg.addresses),
                up=True,
            )
        for route in router.routes:
            yield self._fact("route", route_name(router.name, route.destination, route.next_hop), layer, parent=identity)

    def _group(self, layer: str, group: SecurityGroupSpec) -> Iterator[Fact]:
        yield self._fact(
            "security group",
            group.name,
            layer,
            project=group.project,
            description=group.description,
            stateful=True,
            tags=texts(group.tags),
        )
        for rule in group.rules:
            ports = (rule.port_min, rule.port_max)
            yield self._fact(
                "security group rule",
                rule_name(group.name, rule.direction, rule.ethertype, rule.protocol, ports, rule.remote_prefix),
                layer,
                known_as=f"{group.name}.{rule.key}",
                parent=self._id("security group", group.name),
            )
        yield from self._shares(layer, "security_group", group.name, group.shared_with)

    def _instances(self, layer: str, specs: Iterable[InstanceSpec]) -> Iterator[Fact]:
        for spec in specs:
            yield self._fact(
                "port",
                spec.name,
                layer,
                project=spec.project,
                network=spec.network,
                description=spec.description,
                addresses=texts(ip for _, ip in spec.addresses),
                security_groups=texts(spec.security_groups),
                port_security=True,
                other_addresses=(),
                up=True,
                tags=texts(spec.tags),
            )
            place = {"availability_zone": spec.availability_zone} if spec.availability_zone else {}
            yield self._fact(
                "instance",
                spec.name,
                layer,
                project=spec.project,
                flavor=spec.flavor,
                image=spec.image,
                key_pair=None,
                running=True,
                **place,
            )
            if spec.floating:
                yield self._fact("floating address", spec.name, layer, project=spec.project, port=spec.name, tags=texts(spec.tags))
