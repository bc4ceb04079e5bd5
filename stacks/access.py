"""Layer `access`: one bastion, the only way in."""

from __future__ import annotations

import pulumi

from components.access import Bastion, key_pair
from components.compute import MachineArgs
from landing_zone.planners.plan import InstanceSpec
from stacks.context import Context
from stacks.network import addresses


def compose(context: Context) -> None:
    """Everything of the layer. Outputs: `bastion` with its floating address and instance id."""
    spec = context.region.access.bastion
    key = upload_key(context, spec.project, spec.name)
    bastion = Bastion(machine_args(context, spec, key), context.owner_of(spec.project), context.as_admin)
    pulumi.export("bastion", {"address": bastion.address, "instance": bastion.instance_id})


def upload_key(context: Context, project: str, name: str) -> pulumi.Output[str]:
    """The operators' public key, for the machine user of a project; returns the key pair's name."""
    user = context.names.get("machine-user", context.machine_user(project).name)
    return key_pair(name, context.inputs.public_key, user, context.as_admin)


def machine_args(context: Context, spec: InstanceSpec, key: pulumi.Input[str]) -> MachineArgs:
    """A planned instance with the ids that it needs."""
    names = context.names
    return MachineArgs(
        name=spec.name,
        description=spec.description,
        project_id=names.get("project", spec.project),
        network_id=names.get("network", spec.network),
        addresses=addresses(context, spec.addresses),
        security_group_ids=tuple(names.get("security-group", group) for group in spec.security_groups),
        image=spec.image,
        flavor=spec.flavor,
        key_pair=key,
        availability_zone=spec.availability_zone,
        floating_pool=context.region.external_network if spec.floating else None,
        metadata={"zone": spec.zone, **({"tenant": spec.tenant} if spec.tenant else {})},
        tags=spec.tags,
    )
