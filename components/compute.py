"""Machines: an instance on a port that was made for it beforehand."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import pulumi
from pulumi_openstack import compute, networking

from components.network import AddressArgs
from components.options import child


@dataclass(frozen=True)
class MachineArgs:
    """One instance with one port.

    `image` and `flavor` are names; with another image the instance is made anew, with another flavor resized.
    `user_data` is cloud-init text without any secret: with another one the instance is made anew.
    `floating_pool` is the external network that gives it a floating address (None: it gets none).
    """

    name: str
    description: str
    project_id: pulumi.Input[str]
    network_id: pulumi.Input[str]
    addresses: tuple[AddressArgs, ...]
    security_group_ids: tuple[pulumi.Input[str], ...]
    image: str
    flavor: str
    availability_zone: str | None = None
    user_data: str | None = None
    floating_pool: str | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)
    tags: tuple[str, ...] = ()


class Machine(pulumi.ComponentResource):
    """An instance, its port and, where asked for, its floating address.

    Port and floating address are made by the provider of the component (fixed addresses and ports in another project's
    network need an administrator), the instance by `owner`: Nova puts an instance into the project of the account that
    asks for it.
    """

    instance_id: pulumi.Output[str]
    port_id: pulumi.Output[str]
    floating_ip: pulumi.Output[str] | None

    def __init__(self, args: MachineArgs, owner: pulumi.ProviderResource, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("lz:compute:Machine", args.name, None, opts)
        own = child(self)
        port = networking.Port(
            args.name,
            name=args.name,
            description=args.description,
            tenant_id=args.project_id,
            network_id=args.network_id,
            admin_state_up=True,
            port_security_enabled=True,
            security_group_ids=list(args.security_group_ids),
            fixed_ips=[networking.PortFixedIpArgs(subnet_id=address.subnet_id, ip_address=address.ip) for address in args.addresses],
            tags=sorted(args.tags),
            opts=own,
        )
        instance = compute.Instance(
            args.name,
            name=args.name,
            image_name=args.image,
            flavor_name=args.flavor,
            networks=[compute.InstanceNetworkArgs(port=port.id)],
            availability_zone=args.availability_zone,
            user_data=args.user_data,
            metadata=dict(args.metadata),
            # Else the provider rebuilds it: the same instance with other host keys, while those that are pinned for it stay.
            opts=pulumi.ResourceOptions.merge(child(self, owner), pulumi.ResourceOptions(replace_on_changes=["image_name"])),
        )
        self.port_id = port.id
        self.instance_id = instance.id
        self.floating_ip = self._floating_ip(args, args.floating_pool, own) if args.floating_pool else None
        self.register_outputs({"instanceId": self.instance_id})

    def _floating_ip(self, args: MachineArgs, pool: str, own: pulumi.ResourceOptions) -> pulumi.Output[str]:
        return networking.FloatingIp(
            args.name,
            pool=pool,
            tenant_id=args.project_id,
            port_id=self.port_id,
            description=args.name,
            tags=sorted(args.tags),
            opts=own,
        ).address
