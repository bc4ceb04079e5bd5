"""One Pulumi program a layer, composed from the plan: `program` gives the one that a stack name asks for."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from foundation.errors import InputError, Problem
from landing_zone.planners.plan import EnvironmentPlan, RegionPlan
from stacks import access, identity, network, probes, tenant
from stacks.context import Context, Inputs

LAYERS: Mapping[str, Callable[[Context], None]] = {
    "identity": identity.compose,
    "network": network.compose,
    "access": access.compose,
    "probes": probes.compose,
}


def program(environment: EnvironmentPlan, region: str, layer: str, inputs: Inputs) -> Callable[[], None]:
    """The program of one stack. Raises InputError for a region or layer that the environment does not have."""
    compose = composer(find_region(environment, region), layer)

    def run() -> None:
        context = Context(environment, environment.regions[region], layer, inputs)
        compose(context)
        context.names.export()

    return run


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
