"""Which layer makes what: names of the plan become ids, of this stack or, along the layer order, of an earlier one."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping

import pulumi

from foundation.errors import LzError, Problem
from landing_zone.planners.shares import Kind, Share
from stacks.inputs import PROJECT, stack_name


class Names:
    """Ids by kind and name for one stack.

    What this stack makes is told by `add`, and handed to later stacks by `export`. What an earlier layer made is read from
    that layer's outputs. `standing` are the layers that have been applied: in a preview, names of another layer are
    values that become known later; None means that every layer is taken to stand.
    """

    def __init__(self, share: Share, standing: frozenset[str] | None) -> None:
        self._environment = share.environment
        self._region = share.region.name
        self._layer = share.layer
        self._standing = standing
        self._owners = share.owners
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
        if layer is None or layer == self._layer:
            raise LzError(
                Problem(
                    f"{kind} {name!r} is not made before it is needed",
                    where=f"stack {stack_name(self._environment, self._region, self._layer)}",
                    why="this layer makes it later" if layer else "neither this layer nor an earlier one makes it",
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
                cure=f"apply the earlier layer first: lz up --region {self._region} --layer {layer}, with the same --env",
            )
        )


def _later() -> pulumi.Output[str]:
    """A value that becomes known when the layer that makes it has been applied."""
    value: asyncio.Future[str] = asyncio.Future()
    value.set_result("")
    known: asyncio.Future[bool] = asyncio.Future()
    known.set_result(False)
    return pulumi.Output(set(), value, known)
