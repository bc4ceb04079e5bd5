"""The bastion: the only way in for people."""

from __future__ import annotations

import json
from collections.abc import Sequence

import pulumi

from components.compute import Machine, MachineArgs

SSHD = """\
TrustedUserCAKeys /etc/ssh/user_ca.pub
AuthorizedPrincipalsFile /etc/ssh/principals/%u
AuthorizedKeysFile none
AuthenticationMethods publickey
"""


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


def entry_by_certificate(user: str, authority: str, principals: Sequence[str]) -> str:
    """Cloud-init's text that lets `user` in with SSH certificates for one of `principals`, and by nothing else.

    `authority` is the public key (one line) that has to have signed them. The files are where the role `node_baseline` keeps
    them, and they are there before the SSH server starts first.
    """
    files = {
        "/etc/ssh/user_ca.pub": f"{authority}\n",
        f"/etc/ssh/principals/{user}": "".join(f"{principal}\n" for principal in principals),
        "/etc/ssh/sshd_config.d/05-landing-zone.conf": SSHD,
    }
    content = {"write_files": [{"path": path, "permissions": "0644", "content": text} for path, text in files.items()]}
    return f"#cloud-config\n{json.dumps(content, indent=1)}\n"
