"""Layer `probes`: small instances that prove the flow matrix with packets; made by `lz verify` and removed after it."""

from __future__ import annotations

import pulumi

from components.compute import Machine
from stacks.access import machine_args, upload_key
from stacks.context import Context


def compose(context: Context) -> None:
    """Everything of the layer. Outputs: `instances`, the instance id by name."""
    keys: dict[str, pulumi.Output[str]] = {}
    made: dict[str, pulumi.Output[str]] = {}
    for spec in context.region.probes.instances:
        if spec.project not in keys:
            keys[spec.project] = upload_key(context, spec.project, key_name(spec.project))
        args = machine_args(context, spec, keys[spec.project])
        made[spec.name] = Machine(args, context.owner_of(spec.project), context.as_admin).instance_id
    pulumi.export("instances", made)


def key_name(project: str) -> str:
    """The name of the key pair with which the probes of a project are entered."""
    return f"{project}--probes"
