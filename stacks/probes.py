"""Layer `probes`: small instances that prove the flow matrix with packets; made by `lz verify` and removed after it."""

from __future__ import annotations

import pulumi

from components.access import key_pair
from components.compute import Machine
from stacks.access import machine_args
from stacks.context import Context


def compose(context: Context) -> None:
    """Everything of the layer. Outputs: `instances`, the instance id by name."""
    keys: dict[str, pulumi.Output[str]] = {}
    made: dict[str, pulumi.Output[str]] = {}
    for spec in context.region.probes.instances:
        owner = context.owner_of(spec.project)
        if spec.project not in keys:
            keys[spec.project] = key_pair(f"{spec.project}--probes", context.inputs.public_key, owner)
        made[spec.name] = Machine(machine_args(context, spec, keys[spec.project]), owner, context.as_admin).instance_id
    pulumi.export("instances", made)
