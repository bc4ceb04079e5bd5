"""One Pulumi program a layer, composed from the plan: `program` gives the one that a stack name asks for."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

import pulumi

from foundation.errors import InputError, LzError, Problem
from landing_zone.planners.plan import EnvironmentPlan, RegionPlan
from policy import guard
from policy.rules import Facts
from stacks import access, identity, network, probes, tenant
from stacks.context import Context, Inputs

LAYERS: Mapping[str, Callable[[Context], None]] = {
    "identity": identity.compose,
    "network": network.compose,
    "access": access.compose,
    "probes": probes.compose,
}


def program(environment: EnvironmentPlan, region: str, layer: str, inputs: Inputs) -> Callable[[], Awaitable[None]]:
    """The program of one stack. Raises InputError for a region or layer that the environment does not have."""
    compose = composer(find_region(environment, region), layer)

    async def run() -> None:
        try:
            watch = guard.Watch(facts(environment))
            watch.begin()
            context = Context(environment, environment.regions[region], layer, inputs)
            compose(context)
            context.names.export()
            await watch.verdict()
        except LzError as error:
            raise pulumi.RunError(str(error)) from None

    return run


def facts(environment: EnvironmentPlan) -> Facts:
    """What the guard rails must know of the plan."""
    regions = environment.regions.values()
    layers = [layer for region in regions for layer in (region.network, *(tenant.network for tenant in region.tenants.values()))]
    return Facts(
        level=environment.level,
        regions=frozenset(environment.regions),
        open_groups=frozenset(group.name for layer in layers for group in layer.security_groups if group.zone == "edge"),
        router_ports=frozenset(leg.port for layer in layers for router in layer.routers for leg in router.legs),
        floating=frozenset(region.access.bastion.name for region in regions),
    )


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


def composer(region: RegionPlan, layer: str) -> Callable[[Context], None]:
    """What composes a layer, or InputError naming the layers that there are."""
    if layer in LAYERS:
        return LAYERS[layer]
    if layer.startswith(tenant.PREFIX) and layer.removeprefix(tenant.PREFIX) in region.tenants:
        return tenant.compose
    known = [*LAYERS, *(f"{tenant.PREFIX}{code}" for code in region.tenants)]
    raise InputError(Problem(f"region {region.name!r} has no layer {layer!r}", cure=f"one of: {', '.join(known)}"))
