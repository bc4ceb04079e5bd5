"""Which layer makes what: names of the plan become ids, of this stack or, along the layer order, of an earlier one."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Mapping
from typing import Literal

import pulumi

from foundation.errors import LzError, Problem
from landing_zone.planners.plan import IdentitySpec, NetworkLayer, RegionPlan

PROJECT = "landing-zone"

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


def stack_name(environment: str, region: str, layer: str) -> str:
    """ENV.REGION.LAYER, the one name of a stack."""
    return f"{environment}.{region}.{layer}"


def owners(region: RegionPlan) -> Owners:
    """The layer that makes each named thing of a region."""
    made: dict[tuple[Kind, str], str] = {("role", role): "identity" for role in ROLES}
    made |= dict.fromkeys(_of_identity(region.identity), "identity")
    made["external-network", region.external_network] = "network"
    made |= dict.fromkeys(_of_network(region.network), "network")
    for code, tenant in region.tenants.items():
        made |= dict.fromkeys(_of_identity(tenant.identity), f"tenant-{code}")
        made |= dict.fromkeys(_of_network(tenant.network), f"tenant-{code}")
    return made


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


class Names:
    """Ids by kind and name for one stack.

    What this stack makes is told by `add`, and handed to later stacks by `export`. What an earlier layer made is read from
    that layer's outputs. `standing` are the layers that have been applied: in a preview, names of another layer are
    values that become known later; None means that every layer is taken to stand.
    """

    def __init__(self, environment: str, region: RegionPlan, layer: str, standing: frozenset[str] | None) -> None:
        self._environment = environment
        self._region = region.name
        self._layer = layer
        self._standing = standing
        self._owners = owners(region)
        self._earlier = _earlier(region, layer)
        self._own: dict[Kind, dict[str, pulumi.Output[str]]] = {}
        self._references: dict[str, pulumi.Output[Mapping[str, Mapping[str, str]]] | None] = {}

    def add(self, kind: Kind, name: str, value: pulumi.Output[str]) -> None:
        """This stack makes the thing of that name; `value` is its id."""
        self._own.setdefault(kind, {})[name] = value

    def get(self, kind: Kind, name: str) -> pulumi.Output[str]:
        """The id of the thing of that name. LzError when nothing of that name is made before this point."""
        own = self._own.get(kind, {}).get(name)
        if own is not None:
            return own
        layer = self._owners.get((kind, name))
        if layer not in self._earlier:
            raise LzError(
                Problem(
                    f"{kind} {name!r} is not made before it is needed",
                    where=f"stack {stack_name(self._environment, self._region, self._layer)}",
                    why=f"made by layer {layer}" if layer else "no layer makes it",
                    cure="this is a fault of the planner: report it with the environment file",
                )
            )
        reference = self._reference(layer)
        if reference is None:
            return _later()
        return reference.apply(lambda ids: self._picked(ids, kind, name, layer))

    def labelled(self, projects: Iterable[str]) -> tuple[tuple[str, pulumi.Input[str]], ...]:
        """Projects as (name, id)."""
        return tuple((name, self.get("project", name)) for name in projects)

    def export(self) -> None:
        """Make what this stack made readable for later layers."""
        pulumi.export("ids", {kind: dict(sorted(ids.items())) for kind, ids in sorted(self._own.items())})

    def _reference(self, layer: str) -> pulumi.Output[Mapping[str, Mapping[str, str]]] | None:
        if layer not in self._references:
            stands = self._standing is None or layer in self._standing
            name = f"{pulumi.get_organization()}/{PROJECT}/{stack_name(self._environment, self._region, layer)}"
            self._references[layer] = pulumi.StackReference(name).get_output("ids") if stands else None
        return self._references[layer]

    def _picked(self, ids: Mapping[str, Mapping[str, str]] | None, kind: Kind, name: str, layer: str) -> pulumi.Output[str]:
        found = (ids or {}).get(kind, {}).get(name)
        if found is not None:
            return pulumi.Output.from_input(found)
        if pulumi.runtime.is_dry_run():
            return _later()
        raise LzError(
            Problem(
                f"{kind} {name!r} is planned but not there yet",
                where=f"stack {stack_name(self._environment, self._region, layer)}",
                cure=f"apply the earlier layer first: lz up --env {self._environment} --region {self._region} --layer {layer}",
            )
        )


def _earlier(region: RegionPlan, layer: str) -> frozenset[str]:
    """Every layer of the steps before the one of `layer`."""
    before: set[str] = set()
    for step in region.order:
        if layer in step:
            return frozenset(before)
        before.update(step)
    raise LzError(Problem(f"region {region.name} has no layer {layer!r}", cure=f"one of: {', '.join(sorted(before))}"))


def _later() -> pulumi.Output[str]:
    """A value that becomes known when the layer that makes it has been applied."""
    value: asyncio.Future[str] = asyncio.Future()
    value.set_result("")
    known: asyncio.Future[bool] = asyncio.Future()
    known.set_result(False)
    return pulumi.Output(set(), value, known)
