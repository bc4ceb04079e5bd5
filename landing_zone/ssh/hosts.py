"""Hosts of an environment as OpenSSH knows them: one configuration file for people and for `lz` alike."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from foundation import files
from landing_zone.engine.home import Home
from landing_zone.planners.plan import InstanceSpec
from landing_zone.ssh.certificates import STANDING_MINUTES, Pass, issue
from stacks.inputs import principal


@dataclass(frozen=True)
class Host:
    """One instance: `name` is what people type and what known_hosts has, `address` where it answers, `through` a bastion's name."""

    name: str
    region: str
    instance: str
    address: str
    user: str
    through: str | None


def host(spec: InstanceSpec, region: str, instance: str, address: str, through: str | None) -> Host:
    """The host of a planned instance; its name is unique in the environment."""
    return Host(spec.hostname, region, instance, address, spec.user, through)


def renew(home: Home, environment: str, hosts: Sequence[Host]) -> Path:
    """Write the environment's ssh_config with a certificate for all of the hosts' regions, and return where it is."""
    regions = sorted({principal(environment, one.region) for one in hosts})
    if not regions:
        home.ssh_config.unlink(missing_ok=True)
        return home.ssh_config
    return write_config(home, hosts, [issue(home, regions, STANDING_MINUTES)], home.ssh_config)


def write_config(home: Home, hosts: Iterable[Host], passes: Sequence[Pass], path: Path) -> Path:
    """Write an ssh_config: `ssh -F FILE NAME` reaches a host while a pass is good, or refuses it when its key is not the pinned one."""
    until = time.strftime("%Y-%m-%d %H:%M:%S %z", time.localtime(max(one.until for one in passes)))
    lines = [
        f"# Written by lz. ssh -F this-file NAME; good until {until}, then: lz ssh",
        "Host *",
        f"  UserKnownHostsFile {home.known_hosts}",
        "  GlobalKnownHostsFile none",
        "  StrictHostKeyChecking yes",
        "  UpdateHostKeys no",
        *(f"  IdentityFile {one.key}" for one in passes),
        *(f"  CertificateFile {one.certificate}" for one in passes),
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
        ]
        if one.through:
            lines.append(f"  ProxyCommand ssh -F {path} -W [%h]:%p {one.through}")
    files.replace(path, "\n".join(lines) + "\n")
    return path
