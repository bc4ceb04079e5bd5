"""Layer `probes`: small instances that prove the flow matrix with packets; made by `lz verify` and removed after it."""

from __future__ import annotations

import pulumi

from components.compute import Machine
from stacks.access import machine_args
from stacks.context import Context


def compose(context: Context) -> None:
    """Everything of the layer. Outputs: `instances`, the instance id by name."""
    made: dict[str, pulumi.Output[str]] = {}
    for spec in context.region.probes.instances:
        made[spec.name] = Machine(machine_args(context, spec), context.owner_of(spec.project), context.as_admin).instance_id
    pulumi.export("instances", made)
