"""One Pulumi program a layer, composed from its share of the plan."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

import pulumi

from foundation.errors import LzError
from landing_zone.planners.shares import TENANT, Share, network_layers
from policy import guard
from policy.rules import Facts
from stacks import access, identity, network, probes, tenant
from stacks.context import Context
from stacks.inputs import Inputs

LAYERS: Mapping[str, Callable[[Context], None]] = {
    "identity": identity.compose,
    "network": network.compose,
    "access": access.compose,
    "probes": probes.compose,
}


def program(share: Share, inputs: Inputs) -> Callable[[], Awaitable[None]]:
    """The program of one stack."""
    compose = tenant.compose if share.layer.startswith(TENANT) else LAYERS[share.layer]

    async def run() -> None:
        try:
            watch = guard.Watch(facts(share))
            watch.begin()
            context = Context(share, inputs)
            compose(context)
            context.names.export()
            await watch.verdict()
        except LzError as error:
            raise pulumi.RunError(str(error)) from None

    return run


def facts(share: Share) -> Facts:
    """What the guard rails must know of the plan."""
    region = share.region
    layers = [layer for _, layer in network_layers(region)]
    return Facts(
        encrypted=share.encrypted_volumes,
        regions=frozenset(share.regions),
        open_groups=frozenset(group.name for layer in layers for group in layer.security_groups if group.zone == "edge"),
        router_ports=frozenset(leg.port for layer in layers for router in layer.routers for leg in router.legs),
        floating=frozenset({region.access.bastion.name}),
    )
