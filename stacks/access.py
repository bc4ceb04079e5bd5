"""Layer `access`: one bastion, the only way in."""

from __future__ import annotations

import pulumi

from components.access import Bastion, entry_by_certificate
from components.compute import MachineArgs
from landing_zone.planners.plan import InstanceSpec
from stacks.context import Context
from stacks.network import addresses


def compose(context: Context) -> None:
    """Everything of the layer. Outputs: `bastion` with its floating address and instance id."""
    spec = context.region.access.bastion
    bastion = Bastion(machine_args(context, spec), context.owner_of(spec.project), context.as_admin)
    pulumi.export("bastion", {"address": bastion.address, "instance": bastion.instance_id})


def machine_args(context: Context, spec: InstanceSpec) -> MachineArgs:
    """A planned instance with the ids that it needs. It is entered with a certificate for itself, or for all of its region."""
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
        user_data=entry_by_certificate(spec.user, context.inputs.user_ca, (spec.hostname, context.principal)),
        availability_zone=spec.availability_zone,
        floating_pool=context.region.external_network if spec.floating else None,
        metadata={"zone": spec.zone, **({"tenant": spec.tenant} if spec.tenant else {})},
        tags=spec.tags,
    )
