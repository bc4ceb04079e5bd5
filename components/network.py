"""Networks with their subnets, routers with their legs and routes, security groups with their rules."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pulumi
from pulumi_openstack import dns, networking

from components.options import child, once


def share(
    kind: str,
    name: str,
    object_id: pulumi.Input[str],
    projects: tuple[tuple[str, pulumi.Input[str]], ...],
    opts: pulumi.ResourceOptions,
) -> None:
    """Let other projects (label, project id) use an object of this kind, each named, never "all"."""
    for label, project_id in projects:
        networking.RbacPolicyV2(
            f"{name}--{label}",
            action="access_as_shared",
            object_type=kind,
            object_id=object_id,
            target_tenant=project_id,
            opts=opts,
        )


@dataclass(frozen=True)
class SubnetArgs:
    """One subnet. `ipv6_mode` (addresses and router advertisements alike) is for IPv6 only; `pools` are (first, last)
    addresses for ports that name none; `subnet_pool_id` is the pool out of which `cidr` is cut."""

    name: str
    cidr: str
    ip_version: int
    gateway_ip: str | None
    pools: tuple[tuple[str, str], ...]
    dhcp: bool = True
    dns_servers: tuple[str, ...] = ()
    ipv6_mode: str | None = None
    subnet_pool_id: pulumi.Input[str] | None = None


@dataclass(frozen=True)
class NetworkArgs:
    """A network with its subnets. `shared_with` names other projects (label, project id) that may attach ports to it."""

    name: str
    description: str
    project_id: pulumi.Input[str]
    subnets: tuple[SubnetArgs, ...]
    shared_with: tuple[tuple[str, pulumi.Input[str]], ...] = ()
    tags: tuple[str, ...] = ()


class Network(pulumi.ComponentResource):
    """One network; port security is on and stays on. `subnet_ids` are by name."""

    network_id: pulumi.Output[str]
    subnet_ids: Mapping[str, pulumi.Output[str]]

    def __init__(self, args: NetworkArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("lz:network:Network", args.name, None, opts)
        own = child(self)
        network = networking.Network(
            args.name,
            name=args.name,
            description=args.description,
            tenant_id=args.project_id,
            admin_state_up=True,
            port_security_enabled=True,
            tags=sorted(args.tags),
            opts=own,
        )
        self.network_id = network.id
        self.subnet_ids = {subnet.name: self._subnet(args, subnet, own) for subnet in args.subnets}
        share("network", args.name, network.id, args.shared_with, own)
        self.register_outputs({"networkId": self.network_id})

    def _subnet(self, args: NetworkArgs, subnet: SubnetArgs, own: pulumi.ResourceOptions) -> pulumi.Output[str]:
        return networking.Subnet(
            subnet.name,
            name=subnet.name,
            tenant_id=args.project_id,
            network_id=self.network_id,
            cidr=subnet.cidr,
            ip_version=subnet.ip_version,
            gateway_ip=subnet.gateway_ip,
            no_gateway=True if subnet.gateway_ip is None else None,
            enable_dhcp=subnet.dhcp,
            subnetpool_id=subnet.subnet_pool_id,
            allocation_pools=[networking.SubnetAllocationPoolArgs(start=first, end=last) for first, last in subnet.pools] or None,
            dns_nameservers=list(subnet.dns_servers),
            ipv6_address_mode=subnet.ipv6_mode,
            ipv6_ra_mode=subnet.ipv6_mode,
            tags=sorted(args.tags),
            opts=own,
        ).id


@dataclass(frozen=True)
class AddressArgs:
    """One fixed address of a port."""

    subnet_id: pulumi.Input[str]
    ip: str


@dataclass(frozen=True)
class LegArgs:
    """Where a router stands in a network: `name` is the port's name, `addresses` at most one IPv4 address."""

    name: str
    network_id: pulumi.Input[str]
    addresses: tuple[AddressArgs, ...]


@dataclass(frozen=True)
class RouterArgs:
    """A router. `external_network_id` gives it a gateway to the outside (None: it has none).

    Source addresses are translated only when `snat` is set. `routes` are (destination, next hop), the next hop being in
    the network of one of the legs.
    """

    name: str
    description: str
    project_id: pulumi.Input[str]
    legs: tuple[LegArgs, ...]
    routes: tuple[tuple[str, str], ...] = ()
    external_network_id: pulumi.Input[str] | None = None
    snat: bool = False
    tags: tuple[str, ...] = ()


class Router(pulumi.ComponentResource):
    """One router with its legs, and the routes that lead through them, which come once every leg stands."""

    router_id: pulumi.Output[str]

    def __init__(self, args: RouterArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("lz:network:Router", args.name, None, opts)
        own = child(self)
        router = networking.Router(
            args.name,
            name=args.name,
            description=args.description,
            tenant_id=args.project_id,
            admin_state_up=True,
            external_network_id=args.external_network_id,
            enable_snat=args.snat if args.external_network_id is not None else None,
            tags=sorted(args.tags),
            opts=own,
        )
        self.router_id = router.id
        legs = [self._leg(args, leg, own) for leg in args.legs]
        if args.routes:
            networking.RouterRoutesV2(
                args.name,
                router_id=router.id,  # not `once` the legs stand: with one to come a preview would say that all routes are replaced
                routes=[networking.RouterRoutesV2RouteArgs(destination_cidr=to, next_hop=hop) for to, hop in args.routes],
                opts=pulumi.ResourceOptions.merge(own, pulumi.ResourceOptions(depends_on=legs)),
            )
        self.register_outputs({"routerId": self.router_id})

    def _leg(self, args: RouterArgs, leg: LegArgs, own: pulumi.ResourceOptions) -> pulumi.Resource:
        port = networking.Port(
            leg.name,
            name=leg.name,
            tenant_id=args.project_id,
            network_id=leg.network_id,
            admin_state_up=True,
            no_security_groups=True,
            fixed_ips=[networking.PortFixedIpArgs(subnet_id=address.subnet_id, ip_address=address.ip) for address in leg.addresses],
            tags=sorted(args.tags),
            opts=own,
        )
        return networking.RouterInterface(leg.name, router_id=self.router_id, port_id=port.id, opts=own)


@dataclass(frozen=True)
class RuleArgs:
    """One thing that a security group lets pass; what no rule names is refused.

    `key` is unique in its group, and the same for what permits the same. `direction` is ingress or egress, `ethertype` IPv4 or
    IPv6. Ports None mean all ports, or every type of ICMP.
    """

    key: str
    direction: str
    ethertype: str
    protocol: str
    port_min: int | None
    port_max: int | None
    remote_prefix: str
    description: str


@dataclass(frozen=True)
class SecurityGroupArgs:
    """A security group with all its rules. `shared_with` names other projects (label, project id) that may use it."""

    name: str
    description: str
    project_id: pulumi.Input[str]
    rules: tuple[RuleArgs, ...]
    shared_with: tuple[tuple[str, pulumi.Input[str]], ...] = ()
    tags: tuple[str, ...] = ()


class SecurityGroup(pulumi.ComponentResource):
    """One security group. It starts with no rule at all, not even the two egress rules that Neutron gives by itself. Neutron
    cannot change a rule: another description alone waits until the rule is made anew, since nothing would pass meanwhile.
    `ready` is its id once every rule stands: ports use that, so that nothing runs behind half a group."""

    group_id: pulumi.Output[str]
    ready: pulumi.Output[str]

    def __init__(self, args: SecurityGroupArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("lz:network:SecurityGroup", args.name, None, opts)
        own = child(self)
        group = networking.SecGroup(
            args.name,
            name=args.name,
            description=args.description,
            tenant_id=args.project_id,
            delete_default_rules=True,
            stateful=True,
            tags=sorted(args.tags),
            opts=own,
        )
        self.group_id = group.id
        self.ready = once(group.id, [self._rule(args, rule, own) for rule in args.rules])
        share("security_group", args.name, group.id, args.shared_with, own)
        self.register_outputs({"groupId": self.group_id})

    def _rule(self, args: SecurityGroupArgs, rule: RuleArgs, own: pulumi.ResourceOptions) -> pulumi.Output[str]:
        return networking.SecGroupRule(
            f"{args.name}.{rule.key}",
            security_group_id=self.group_id,
            tenant_id=args.project_id,
            direction=rule.direction,
            ethertype=rule.ethertype,
            protocol=rule.protocol,
            port_range_min=rule.port_min,
            port_range_max=rule.port_max,
            remote_ip_prefix=rule.remote_prefix,
            description=rule.description,
            opts=pulumi.ResourceOptions.merge(own, pulumi.ResourceOptions(ignore_changes=["description"])),
        ).id


@dataclass(frozen=True)
class SubnetPoolArgs:
    """Prefixes out of which the subnets of a region are cut. Within an address scope no prefix can be given out twice."""

    name: str
    project_id: pulumi.Input[str]
    ip_version: int
    prefixes: tuple[str, ...]
    min_length: int
    max_length: int
    default_length: int
    tags: tuple[str, ...] = ()


@dataclass(frozen=True)
class AddressScopeArgs:
    """An address scope with its subnet pools, all of one address family."""

    name: str
    project_id: pulumi.Input[str]
    ip_version: int
    pools: tuple[SubnetPoolArgs, ...]


class AddressScope(pulumi.ComponentResource):
    """One address scope. `pool_ids` are by name."""

    pool_ids: Mapping[str, pulumi.Output[str]]

    def __init__(self, args: AddressScopeArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("lz:network:AddressScope", args.name, None, opts)
        own = child(self)
        scope = networking.AddressScope(args.name, name=args.name, project_id=args.project_id, ip_version=args.ip_version, opts=own)
        self.pool_ids = {
            pool.name: networking.SubnetPool(
                pool.name,
                name=pool.name,
                project_id=pool.project_id,
                address_scope_id=scope.id,
                ip_version=pool.ip_version,
                prefixes=list(pool.prefixes),
                min_prefixlen=pool.min_length,
                max_prefixlen=pool.max_length,
                default_prefixlen=pool.default_length,
                tags=sorted(pool.tags),
                opts=own,
            ).id
            for pool in args.pools
        }
        self.register_outputs({"scopeId": scope.id})


@dataclass(frozen=True)
class DnsZoneArgs:
    """A DNS zone; `name` ends with a dot, `ttl` in seconds."""

    name: str
    project_id: pulumi.Input[str]
    email: str
    ttl: int
    description: str


def dns_zone(args: DnsZoneArgs, opts: pulumi.ResourceOptions | None = None) -> pulumi.Output[str]:
    """A zone in Designate, made in the name of its project; returns its id."""
    return dns.Zone(
        args.name,
        name=args.name,
        project_id=args.project_id,
        email=args.email,
        ttl=args.ttl,
        description=args.description,
        type="PRIMARY",
        opts=opts,
    ).id
