"""Hosts of an environment as OpenSSH knows them: one configuration file for people and for `lz` alike."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from landing_zone.engine.home import Home
from landing_zone.planners.plan import InstanceSpec


@dataclass(frozen=True)
class Host:
    """One instance: `name` is what people type and what known_hosts has, `address` where it answers, `through` a bastion's name."""

    name: str
    region: str
    instance: str
    address: str
    user: str
    through: str | None
    port: int = 22


def host(spec: InstanceSpec, region: str, instance: str, address: str, through: str | None, port: int = 22) -> Host:
    """The host of a planned instance; its name is unique in the environment."""
    return Host(spec.hostname, region, instance, address, spec.user, through, port)


def write_config(home: Home, hosts: Iterable[Host]) -> Path:
    """Write the environment's ssh_config: `ssh -F FILE NAME` reaches a host, or refuses it when its key is not the pinned one."""
    lines = [
        "# Written by lz. ssh -F this-file NAME",
        "Host *",
        f"  UserKnownHostsFile {home.known_hosts}",
        "  GlobalKnownHostsFile none",
        "  StrictHostKeyChecking yes",
        "  UpdateHostKeys no",
        f"  IdentityFile {home.ssh_key}",
        "  IdentitiesOnly yes",
        "  PasswordAuthentication no",
        "  ConnectTimeout 15",
        "  ServerAliveInterval 10",
    ]
    for one in sorted(hosts, key=lambda each: each.name):
        lines += [
            f"Host {one.name}",
            f"  HostName {one.address}",
            f"  HostKeyAlias {one.name}",
            f"  User {one.user}",
            f"  Port {one.port}",
        ]
        if one.through:
            lines.append(f"  ProxyCommand ssh -F {home.ssh_config} -W [%h]:%p {one.through}")
    home.ssh_config.write_text("\n".join(lines) + "\n")
    return home.ssh_config
