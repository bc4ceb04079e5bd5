"""The bastion: the only way in for people."""

from __future__ import annotations

import pulumi
from pulumi_openstack import compute

from components.compute import Machine, MachineArgs


class Bastion(pulumi.ComponentResource):
    """A machine with a floating address. `address` is where SSH answers, `instance_id` whose console log has the host keys
    to pin."""

    address: pulumi.Output[str]
    instance_id: pulumi.Output[str]

    def __init__(self, args: MachineArgs, owner: pulumi.ProviderResource, opts: pulumi.ResourceOptions | None = None) -> None:
        """`args` must name a floating pool: ValueError without, since nobody could reach the bastion."""
        super().__init__("lz:access:Bastion", args.name, None, opts)
        machine = Machine(args, owner, pulumi.ResourceOptions(parent=self))
        if machine.floating_ip is None:
            raise ValueError(f"bastion {args.name}: no floating pool given, so nobody could reach it")
        self.address = machine.floating_ip
        self.instance_id = machine.instance_id
        self.register_outputs({"address": self.address, "instanceId": self.instance_id})


def key_pair(name: str, public_key: str, user_id: pulumi.Input[str], opts: pulumi.ResourceOptions | None = None) -> pulumi.Output[str]:
    """Upload a public key for an account; returns the key pair's name, which only that account can use."""
    return compute.Keypair(name, name=name, public_key=public_key, user_id=user_id, opts=opts).name
