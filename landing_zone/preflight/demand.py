"""What one region must yet make, from its plan and the states of its stacks. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from landing_zone.planners import quotas
from landing_zone.planners.plan import (
    GroupSpec,
    IdentitySpec,
    InstanceSpec,
    MachineUserSpec,
    NetworkLayer,
    ProjectSpec,
    QuotaSpec,
    RegionPlan,
)
from landing_zone.planners.shares import PROBES, identities, network_layers

Kind = Literal["project", "group", "user"]
PROJECT, GROUP, USER = "identity/project:Project", "identity/groupV3:GroupV3", "identity/user:User"  # a domain is a project, too
INSTANCE = "compute/instance:Instance"
State = list[dict[str, Any]]  # resources of one stack, as the engine keeps them
TYPES: Mapping[str, str] = {
    "networks": "networking/network:Network",
    "subnets": "networking/subnet:Subnet",
    "subnet_pools": "networking/subnetPool:SubnetPool",
    "routers": "networking/router:Router",
    "ports": "networking/port:Port",
    "security_groups": "networking/secGroup:SecGroup",
    "security_group_rules": "networking/secGroupRule:SecGroupRule",
    "rbac_policies": "networking/rbacPolicyV2:RbacPolicyV2",
    "dns_zones": "dns/zone:Zone",
}
# limits of the plan -> what the quota resources in the state call them
NETWORK_LIMITS: Mapping[str, str] = {
    "networks": "network",
    "subnets": "subnet",
    "subnet_pools": "subnetpool",
    "routers": "router",
    "ports": "port",
    "floating_ips": "floatingip",
    "security_groups": "securityGroup",
    "security_group_rules": "securityGroupRule",
}
DNS_LIMITS: Mapping[str, str] = {"dns_zones": "zones"}
COMPUTE_LIMITS: Mapping[str, str] = {"instances": "instances", "cores": "cores", "ram_mib": "ram"}


@dataclass(frozen=True)
class Account:
    """One project: its id (None: it is not there yet), the limits that `up` gives it, and what must yet be made in it.

    `kept` are limits that `up` leaves as they are, since the state has them as the plan does: there the cloud's own count. `lowered`
    are limits of Nova that it lowers.
    """

    name: str
    id: str | None
    planned: QuotaSpec
    kept: frozenset[str]
    making: QuotaSpec
    instances: tuple[InstanceSpec, ...] = ()
    lowered: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Wanted:
    """A project, group or account that is yet to be made in a domain that stands (its id)."""

    kind: Kind
    name: str
    domain: str


@dataclass(frozen=True)
class Need:
    """What a region must have for what is yet to be made.

    `domains`, `zones` and `networks` are planned names with the ids that are ours (None: not made yet). `floating` addresses
    and `gateways` of routers each take an address of the external network; `sharing` policies count against the administrator.
    `moved` are subnets that stand and have another prefix in the plan: theirs and the plan's, by name. `identities` have names
    that somebody may have given to something in their domains. `remade` instances stand with another image than the plan's: they are
    removed, and made anew in the room that they leave. `held` is the external network (id) in which floating addresses of ours keep
    the hub router (None: there are none).
    """

    region: RegionPlan
    accounts: tuple[Account, ...]
    instances: tuple[InstanceSpec, ...]
    floating: int
    gateways: int
    sharing: int
    domains: Mapping[str, str | None]
    zones: Mapping[str, str | None]
    networks: Mapping[str, str | None]
    moved: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    identities: tuple[Wanted, ...] = ()
    remade: tuple[InstanceSpec, ...] = ()
    held: str | None = None


def need(region: RegionPlan, states: Mapping[str, State], asked: Callable[[str], bool] = lambda _: True) -> Need:
    """What a region must yet make; `states` has the resources of each stack that stands, by layer.

    `asked` says of a layer whether it is to be made: what others lack is not looked for.
    """
    everything = [one for state in states.values() for one in state]
    people = dict(identities(region))
    layers = {name: layer for name, layer in network_layers(region) if asked(name)}
    standing = _named(everything, INSTANCE)
    images = {one["inputs"]["name"]: one["inputs"].get("imageName") for one in everything if one["type"] == f"openstack:{INSTANCE}"}
    planned = (*([region.access.bastion] if asked("access") else []), *(region.probes.instances if asked(PROBES) else ()))
    instances = tuple(spec for spec in planned if spec.name not in standing)
    addresses = _named(everything, "networking/floatingIp:FloatingIp", logical=True)
    floating = tuple(spec for spec in planned if spec.floating and spec.name not in addresses)
    connected = _named(everything, TYPES["ports"])
    ports = tuple(spec for spec in planned if spec.name not in connected)
    routers = _named(everything, TYPES["routers"])
    return Need(
        region=region,
        accounts=tuple(_accounts(people, layers, states, instances, ports, floating, asked)),
        instances=instances,
        floating=len(floating),
        gateways=sum(1 for layer in layers.values() for router in layer.routers if router.external_network and router.name not in routers),
        sharing=sum(_missing(layer, states.get(name, [])).rbac_policies for name, layer in layers.items()),
        domains=_ids(
            (domain.name for layer, spec in people.items() if asked(layer) for domain in spec.domains),
            _named(everything, PROJECT),
        ),
        zones=_ids((zone.name for layer in layers.values() for zone in layer.dns_zones), _named(everything, "dns/zone:Zone")),
        networks=_ids((each.name for layer in layers.values() for each in layer.networks), _named(everything, TYPES["networks"])),
        moved=_moved(layers.values(), everything),
        identities=tuple(_identities((spec for layer, spec in people.items() if asked(layer)), everything)),
        remade=tuple(spec for spec in planned if spec.name in standing and images[spec.name] != spec.image),
        held=next(_outside(states.get("network", [])), None) if addresses else None,
    )


def _identities(people: Iterable[IdentitySpec], state: State) -> Iterator[Wanted]:
    projects, groups, users = (_named(state, kind) for kind in (PROJECT, GROUP, USER))
    for spec in people:
        planned: tuple[tuple[Kind, Iterable[ProjectSpec | GroupSpec | MachineUserSpec], Mapping[str, str]], ...] = (
            ("project", spec.projects, projects),
            ("group", spec.groups, groups),
            ("user", spec.machine_users, users),
        )
        for kind, things, made in planned:
            yield from (
                Wanted(kind, each.name, projects[each.domain]) for each in things if each.name not in made and each.domain in projects
            )


def _outside(state: State) -> Iterator[str]:
    """External networks (id) in which routers have their gateways, as the cloud told it last."""
    routers = (one for one in state if one["type"] == f"openstack:{TYPES['routers']}")
    yield from (outside for one in routers if (outside := one.get("outputs", {}).get("externalNetworkId")))


def _moved(layers: Iterable[NetworkLayer], state: Iterable[dict[str, Any]]) -> dict[str, tuple[str, str]]:
    planned = {subnet.name: subnet.cidr for layer in layers for network in layer.networks for subnet in network.subnets}
    stands = {one["inputs"]["name"]: one["inputs"].get("cidr") for one in state if one["type"] == f"openstack:{TYPES['subnets']}"}
    return {name: (cidr, planned[name]) for name, cidr in stands.items() if cidr and planned.get(name, cidr) != cidr}


def _accounts(
    people: Mapping[str, IdentitySpec],
    layers: Mapping[str, NetworkLayer],
    states: Mapping[str, State],
    instances: tuple[InstanceSpec, ...],
    ports: tuple[InstanceSpec, ...],
    floating: tuple[InstanceSpec, ...],
    asked: Callable[[str], bool],
) -> Iterable[Account]:
    """Every project with its own network things, and instances, their ports and floating addresses yet to be made."""
    making = {_owner(layer): _missing(layer, states.get(name, [])) for name, layer in layers.items()}
    for stack, spec in people.items():
        state = states.get(stack, [])
        ids = _named(state, PROJECT)
        for project in spec.projects:
            own = making.get(project.name, QuotaSpec())
            yield Account(
                name=project.name,
                id=ids.get(project.name),
                planned=project.quota,
                kept=_kept(project.name, project.quota, state),
                making=replace(
                    own,
                    ports=own.ports + sum(1 for server in ports if server.project == project.name),
                    floating_ips=sum(1 for server in floating if server.project == project.name),
                ),
                instances=tuple(server for server in instances if server.project == project.name),
                lowered=_lowered(project.name, project.quota, state) if asked(stack) else frozenset(),
            )


def _owner(layer: NetworkLayer) -> str:
    """The one project that owns what a layer makes."""
    owners = {network.project for network in layer.networks} | {router.project for router in layer.routers}
    assert len(owners) == 1, f"a network layer has one project: {sorted(owners)}"  # noqa: S101
    return owners.pop()


def _missing(layer: NetworkLayer, state: State) -> QuotaSpec:
    """What a network layer makes, less what its stack has made."""
    made = Counter(one["type"] for one in state if one.get("id"))
    planned = quotas.created(layer, ())
    return QuotaSpec(**{name: max(0, getattr(planned, name) - made[f"openstack:{kind}"]) for name, kind in TYPES.items()})


def _kept(project: str, planned: QuotaSpec, state: State) -> frozenset[str]:
    """Limits that the state has as the plan does."""
    found: set[str] = set()
    for suffix, names in (("network", NETWORK_LIMITS), ("compute", COMPUTE_LIMITS), ("dns", DNS_LIMITS)):
        limits = _limits(project, suffix, state)
        found |= {name for name, key in names.items() if limits.get(key) == getattr(planned, name)}
    return frozenset(found)


def _lowered(project: str, planned: QuotaSpec, state: State) -> frozenset[str]:
    """Limits of Nova that are higher in the state than in the plan."""
    limits = _limits(project, "compute", state)
    return frozenset(name for name, key in COMPUTE_LIMITS.items() if limits.get(key, 0) > getattr(planned, name))


def _limits(project: str, suffix: str, state: State) -> Mapping[str, Any]:
    """What the quota resource of a service in the state says."""
    return next((one["inputs"] for one in state if one["urn"].endswith(f"::{project}.{suffix}")), {})


def _named(state: Iterable[dict[str, Any]], kind: str, *, logical: bool = False) -> dict[str, str]:
    """Ids of what stands of one kind, by its name in the cloud, or by its `logical` name where it has none there."""
    return {
        one["urn"].rsplit("::", 1)[1] if logical else one["inputs"]["name"]: one["id"]
        for one in state
        if one["type"] == f"openstack:{kind}" and one.get("id")
    }


def _ids(names: Iterable[str], known: Mapping[str, str]) -> dict[str, str | None]:
    return {name: known.get(name) for name in names}
