"""The plan: plain, frozen data that says everything the stacks compose, with every name and address final.

An `EnvironmentPlan` has one `RegionPlan` a region, a `RegionPlan` one layer object a stack. Things refer to each other by
name; a name is unique among the things of its kind in its region (across all stacks of the environment), and is the name
in the cloud too. Addresses and prefixes are text in their canonical form; memory is in MiB, disk in GiB, ports are numbers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, NamedTuple

from landing_zone.model.fields import Klass, Stage, Transport
from landing_zone.planners.ledger import Ledger

Role = Literal["admin", "manager", "member", "reader"]
Direction = Literal["ingress", "egress"]
EtherType = Literal["IPv4", "IPv6"]
Protocol = Literal["tcp", "udp", "icmp", "ipv6-icmp"]


# ------------------------------------------------------------------------------------------------------------ identity
@dataclass(frozen=True)
class QuotaSpec:
    """Limits of one project in every service; an attribute a limit, named as the service names it, never -1."""

    # compute
    instances: int = 0
    cores: int = 0
    ram_mib: int = 0
    key_pairs: int = 0
    server_groups: int = 0
    server_group_members: int = 0
    # network
    networks: int = 0
    subnets: int = 0
    subnet_pools: int = 0
    routers: int = 0
    ports: int = 0
    floating_ips: int = 0
    security_groups: int = 0
    security_group_rules: int = 0
    rbac_policies: int = 0
    # block storage
    volumes: int = 0
    snapshots: int = 0
    volume_gib: int = 0
    per_volume_gib: int = 0
    backups: int = 0
    backup_gib: int = 0
    volume_groups: int = 0
    # load balancing
    load_balancers: int = 0
    listeners: int = 0
    pools: int = 0
    members: int = 0
    health_monitors: int = 0
    # names
    dns_zones: int = 0
    dns_recordsets: int = 0
    dns_records: int = 0
    # objects
    object_gib: int = 0
    # keys
    secrets: int = 0
    secret_containers: int = 0


@dataclass(frozen=True)
class DomainSpec:
    """A Keystone domain."""

    name: str
    description: str


@dataclass(frozen=True)
class ProjectSpec:
    """A project; `domain` names a `DomainSpec` of this layer or of the region's identity layer."""

    name: str
    domain: str
    purpose: Literal["network", "platform", "workload"]
    description: str
    quota: QuotaSpec
    tags: tuple[str, ...] = ()


@dataclass(frozen=True)
class GroupSpec:
    """A group of people or machines; roles are granted to groups only."""

    name: str
    domain: str
    description: str


@dataclass(frozen=True)
class GrantSpec:
    """`group` holds `role` on a project or a domain; `inherited`: on every project below the domain instead of the domain."""

    group: str
    role: Role
    scope: Literal["project", "domain"]
    target: str
    inherited: bool = False

    @property
    def key(self) -> str:
        """Unique among the grants of a region; stable."""
        return "--".join((self.group, self.role, self.target, *(("inherited",) if self.inherited else ())))


@dataclass(frozen=True)
class MachineUserSpec:
    """An account for automation: in `groups`, working in `project`; its password and credentials live in the secret store."""

    name: str
    domain: str
    project: str
    groups: tuple[str, ...]
    description: str


@dataclass(frozen=True)
class CredentialSpec:
    """An application credential of the machine account `user`: what its program signs in with, as `role` in `project`."""

    name: str
    user: str
    project: str
    role: Literal["member", "reader"]


@dataclass(frozen=True)
class PersonSpec:
    """Somebody who is to sign on by the identity provider under `federated_id`, in `groups` of `domain`; nothing is made of it."""

    federated_id: str
    domain: str
    groups: tuple[str, ...]


@dataclass(frozen=True)
class IdentitySpec:
    """Domains, projects, groups, grants and accounts that one stack makes, and the credentials that its accounts make themselves."""

    domains: tuple[DomainSpec, ...]
    projects: tuple[ProjectSpec, ...]
    groups: tuple[GroupSpec, ...]
    grants: tuple[GrantSpec, ...]
    machine_users: tuple[MachineUserSpec, ...] = ()
    people: tuple[PersonSpec, ...] = ()
    credentials: tuple[CredentialSpec, ...] = ()


# ------------------------------------------------------------------------------------------------------------- network
@dataclass(frozen=True)
class AllocationPool:
    """First and last address that ports may get by themselves."""

    first: str
    last: str


@dataclass(frozen=True)
class SubnetSpec:
    """A subnet; `ipv6_mode` is both address and router-advertisement mode, None for IPv4. `gateway` None: no gateway."""

    name: str
    cidr: str
    ip_version: Literal[4, 6]
    gateway: str | None
    pools: tuple[AllocationPool, ...]
    dhcp: bool = True
    ipv6_mode: Literal["dhcpv6-stateful", "slaac"] | None = None
    dns_nameservers: tuple[str, ...] = ()
    subnet_pool: str | None = None


@dataclass(frozen=True)
class NetworkSpec:
    """A network with its subnets; `shared_with` names the projects that get it by an RBAC policy (access_as_shared)."""

    name: str
    project: str
    zone: str
    description: str
    subnets: tuple[SubnetSpec, ...]
    shared_with: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()


@dataclass(frozen=True)
class AddressScopeSpec:
    """All prefixes of one address family within which nothing may overlap."""

    name: str
    project: str
    ip_version: Literal[4, 6]


@dataclass(frozen=True)
class SubnetPoolSpec:
    """Prefixes out of which subnets are cut; `address_scope` is one of the region's network layer."""

    name: str
    project: str
    address_scope: str
    ip_version: Literal[4, 6]
    prefixes: tuple[str, ...]
    min_prefix_length: int
    max_prefix_length: int
    default_prefix_length: int


@dataclass(frozen=True)
class RouterLeg:
    """One interface of a router: fixed `addresses` (subnet name, address) on `network`, by a port of that name.

    `network` may belong to the region's network layer (the transit network), all else is in the same stack.
    """

    port: str
    network: str
    addresses: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class RouteSpec:
    """A static route of a router."""

    destination: str
    next_hop: str


@dataclass(frozen=True)
class RouterSpec:
    """A router; `external_network` None: no way out. Routes are all of its static routes, nothing else may exist."""

    name: str
    project: str
    description: str
    external_network: str | None
    snat: bool
    legs: tuple[RouterLeg, ...]
    routes: tuple[RouteSpec, ...] = ()
    tags: tuple[str, ...] = ()


@dataclass(frozen=True)
class RuleSpec:
    """One security-group rule; `key` is unique in its group and stable. Ports None: all (or ICMP of any type)."""

    key: str
    direction: Direction
    ethertype: EtherType
    protocol: Protocol
    port_min: int | None
    port_max: int | None
    remote_prefix: str
    description: str


@dataclass(frozen=True)
class SecurityGroupSpec:
    """A security group with all of its rules (the default rules are removed: nothing in, nothing out). No zone: for every one."""

    name: str
    project: str
    zone: str | None
    description: str
    rules: tuple[RuleSpec, ...]
    shared_with: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()


@dataclass(frozen=True)
class DnsZoneSpec:
    """A Designate zone, its name with the final dot."""

    name: str
    project: str
    email: str
    ttl: int
    description: str


@dataclass(frozen=True)
class NetworkLayer:
    """Networks, routers, security groups and DNS zones that one stack makes."""

    networks: tuple[NetworkSpec, ...]
    routers: tuple[RouterSpec, ...]
    security_groups: tuple[SecurityGroupSpec, ...]
    address_scopes: tuple[AddressScopeSpec, ...] = ()
    subnet_pools: tuple[SubnetPoolSpec, ...] = ()
    dns_zones: tuple[DnsZoneSpec, ...] = ()


# -------------------------------------------------------------------------------------------------- access and instances
class Way(NamedTuple):
    """By what an instance is reached: a protocol and a port of it (0: that of icmp, which has none)."""

    protocol: Transport
    port: int


@dataclass(frozen=True)
class InstanceSpec:
    """A server with one port of its name; `addresses` are (subnet name, address). `listens` is what a test server opens."""

    name: str
    hostname: str
    project: str
    zone: str
    tenant: str | None
    network: str
    addresses: tuple[tuple[str, str], ...]
    security_groups: tuple[str, ...]
    flavor: str
    image: str
    user: str
    availability_zone: str | None = None
    floating: bool = False
    listens: tuple[Way, ...] = ()
    description: str = ""
    tags: tuple[str, ...] = ()


@dataclass(frozen=True)
class AccessLayer:
    """The only way in: one bastion, reachable by SSH from the administrators' networks on its floating address."""

    bastion: InstanceSpec


# -------------------------------------------------------------------------------------------------------- verification
@dataclass(frozen=True)
class FlowCheck:
    """One connection that must be let through or stopped. Port 0: that of icmp, which has none.

    `source` and `target` name instances (probes or the bastion) of this region. A stop counts only when `positive_source`,
    an instance from which the very same target and port must answer, does get an answer; "" means the target itself
    (through its own address, inside the instance), for a port that nobody may reach.
    """

    key: str
    source: str
    target: str
    protocol: Transport
    port: int
    address: str
    allowed: bool
    positive_source: str
    control: str
    reason: str


@dataclass(frozen=True)
class ProbesLayer:
    """Small instances with listeners that prove the flow matrix with packets, made by verify and removed after it."""

    instances: tuple[InstanceSpec, ...]
    checks: tuple[FlowCheck, ...]


# ------------------------------------------------------------------------------------------------------- whole plan
@dataclass(frozen=True)
class TenantPlan:
    """Everything of one tenant in one region: one stack.

    `availability_zones` are those that it may use, `volume_type` is its enclave's own, None for any. `figures` is what its level
    prescribes, by parameter of landing_zone/data/levels.yaml; None: no figure.
    """

    code: str
    dti_code: str
    name_vi: str
    name_en: str
    level: int
    enclave: str | None
    availability_zones: tuple[str, ...]
    volume_type: str | None
    figures: Mapping[str, int | None]
    identity: IdentitySpec
    network: NetworkLayer


@dataclass(frozen=True)
class Demand:
    """What a region must have for the whole environment: the sum of all quotas, and what the layers themselves create.

    `quota` sums the limits of all projects, `created` counts the things that the stacks make, both by attribute of `QuotaSpec`.
    `routes` is the most static routes that one router has (Neutron's max_routes must allow it, 30 by default).
    """

    quota: QuotaSpec
    created: QuotaSpec
    projects: int
    routes: int
    flavors: tuple[str, ...]
    images: tuple[str, ...]
    services: tuple[str, ...]


@dataclass(frozen=True)
class RegionPlan:
    """One region: its cloud entry, what that cloud calls it, and one attribute a layer."""

    name: str
    cloud: str
    cloud_region: str
    role: Literal["primary", "secondary"]
    counterpart: str | None
    external_network: str
    availability_zones: tuple[str, ...]
    identity: IdentitySpec
    network: NetworkLayer
    access: AccessLayer
    probes: ProbesLayer
    tenants: Mapping[str, TenantPlan]
    demand: Demand

    @property
    def order(self) -> tuple[tuple[str, ...], ...]:
        """Layers in the order in which they are made; those of one step are independent of each other."""
        tenants = tuple(f"tenant-{code}" for code in sorted(self.tenants))
        steps = (("identity",), ("network",), ("access", *tenants), ("probes",))
        return steps if self.probes.instances else steps[:-1]


@dataclass(frozen=True)
class StateSpec:
    """Where the engine keeps its state. `url` is "" for the local folder."""

    backend: Literal["local", "s3", "postgres"] = "local"
    url: str = ""


@dataclass(frozen=True)
class EnvironmentPlan:
    """A whole environment, region by region.

    `figures` is what the level prescribes or the environment overrides, by parameter. `ledger` is to be kept beside the environment
    file for the next time. `rehearsal`: it is that of another cloud, taken onto the lab. `called`: what `--env` calls it.
    """

    code: str
    name_vi: str
    name_en: str
    klass: Klass
    level: int
    stage: Stage
    figures: Mapping[str, int | None]
    regions: Mapping[str, RegionPlan]
    ledger: Ledger
    state: StateSpec = StateSpec()
    rehearsal: bool = False
    called: str = ""

    @property
    def home(self) -> str:
        """The name of the folder with its state and secrets: those of a rehearsal are not those of the real environment."""
        return f"{self.code}@lab" if self.rehearsal else self.code
