"""What one stack gets of the plan. Its program sees nothing else, so nothing else can change what the stack makes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Literal

from foundation.errors import InputError, Problem
from landing_zone.planners.plan import EnvironmentPlan, IdentitySpec, MachineUserSpec, NetworkLayer, ProbesLayer, QuotaSpec, RegionPlan

Kind = Literal[
    "domain",
    "group",
    "machine-user",
    "project",
    "role",
    "network",
    "subnet",
    "router",
    "security-group",
    "subnet-pool",
    "external-network",
]
Owners = Mapping[tuple[Kind, str], str]
ROLES = ("admin", "manager", "member", "reader")
TENANT = "tenant-"
PROBES = "probes"  # made and removed by `lz verify`, never by `lz up`
# What a layer reads of its region, beside what all may read. A layer that is not named here, and is no tenant's, gets it whole.
READS: Mapping[str, frozenset[str]] = {
    "identity": frozenset({"identity"}),
    "network": frozenset({"network"}),
    "access": frozenset({"identity"}),
}


@dataclass(frozen=True)
class Share:
    """The part of a plan that one stack is composed from.

    `regions` are all regions of the environment, as their clouds call them; `encrypted_volumes` says whether its level, or the
    tenant's own, asks for them.
    `region` lacks what the layer does not read. `owners` has the layer that makes each thing that the stack may refer to: its own
    layer or an earlier one.
    """

    environment: str
    encrypted_volumes: bool
    regions: tuple[str, ...]
    layer: str
    region: RegionPlan
    owners: Owners


def share(environment: EnvironmentPlan, region: str, layer: str) -> Share:
    """What the stack of that region and layer gets. InputError for a region or layer that the environment does not have."""
    whole = find_region(environment, region)
    known = {PROBES, *(each for step in whole.order for each in step)}
    if layer not in known:
        raise InputError(Problem(f"region {region!r} has no layer {layer!r}", cure=f"one of: {', '.join(sorted(known))}"))
    before = _before(whole, layer)
    names = {thing: owner for thing, owner in owners(whole).items() if owner == layer or owner in before}
    tenant = whole.tenants.get(layer.removeprefix(TENANT)) if layer.startswith(TENANT) else None
    figures = (environment.figures, tenant.figures if tenant else {})
    encrypted = any(each.get("encrypted_volumes") for each in figures)
    regions = tuple(each.cloud_region for each in environment.regions.values())
    return Share(environment.code, encrypted, regions, layer, _trimmed(whole, layer), names)


def identities(region: RegionPlan) -> Iterator[tuple[str, IdentitySpec]]:
    """Each layer of a region that makes identities."""
    yield "identity", region.identity
    yield from ((f"{TENANT}{code}", tenant.identity) for code, tenant in region.tenants.items())


def network_layers(region: RegionPlan) -> Iterator[tuple[str, NetworkLayer]]:
    """Each layer of a region that makes networks."""
    yield "network", region.network
    yield from ((f"{TENANT}{code}", tenant.network) for code, tenant in region.tenants.items())


def machine_accounts(spec: IdentitySpec) -> Iterator[tuple[str, MachineUserSpec]]:
    """Projects (by name) in which a machine account works, each with it: one of its groups is a member there."""
    for grant in spec.grants:
        for user in spec.machine_users:
            if (grant.role, grant.scope) == ("member", "project") and grant.group in user.groups:
                yield grant.target, user


def find_region(environment: EnvironmentPlan, region: str) -> RegionPlan:
    """The plan of that region, or InputError naming those that there are."""
    if region not in environment.regions:
        raise InputError(
            Problem(
                f"environment {environment.code!r} has no region {region!r}",
                cure=f"one of: {', '.join(environment.regions)}",
            )
        )
    return environment.regions[region]


def owners(region: RegionPlan) -> Owners:
    """The layer that makes each named thing of a region."""
    made: dict[tuple[Kind, str], str] = {("role", role): "identity" for role in ROLES}
    made["external-network", region.external_network] = "network"
    for layer, spec in identities(region):
        made |= dict.fromkeys(_of_identity(spec), layer)
    for layer, networks in network_layers(region):
        made |= dict.fromkeys(_of_network(networks), layer)
    return made


def _trimmed(region: RegionPlan, layer: str) -> RegionPlan:
    sums = replace(region.demand, quota=QuotaSpec(), created=QuotaSpec(), projects=0, routes=0, flavors=(), images=())
    tenant = layer.removeprefix(TENANT) if layer.startswith(TENANT) else None
    if tenant is None and layer not in READS:
        return replace(region, demand=sums)
    reads = READS.get(layer, frozenset())
    return replace(
        region,
        identity=region.identity if "identity" in reads else IdentitySpec((), (), (), ()),
        network=region.network if "network" in reads else NetworkLayer((), (), ()),
        probes=ProbesLayer((), ()),
        tenants={code: each for code, each in region.tenants.items() if code == tenant},
        demand=sums,
    )


def _before(region: RegionPlan, layer: str) -> frozenset[str]:
    """Every layer of the steps before the one of `layer`; all of them when no step has it."""
    before: set[str] = set()
    for step in region.order:
        if layer in step:
            break
        before.update(step)
    return frozenset(before)


def _of_identity(spec: IdentitySpec) -> Iterator[tuple[Kind, str]]:
    yield from (("domain", domain.name) for domain in spec.domains)
    yield from (("group", group.name) for group in spec.groups)
    yield from (("machine-user", user.name) for user in spec.machine_users)
    yield from (("project", project.name) for project in spec.projects)


def _of_network(layer: NetworkLayer) -> Iterator[tuple[Kind, str]]:
    for network in layer.networks:
        yield "network", network.name
        yield from (("subnet", subnet.name) for subnet in network.subnets)
    yield from (("router", router.name) for router in layer.routers)
    yield from (("security-group", group.name) for group in layer.security_groups)
    yield from (("subnet-pool", pool.name) for pool in layer.subnet_pools)
