"""What OpenStack makes by itself for a project: its default security group, with rules that nobody wrote."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any

from openstack.connection import Connection

DEFAULT = "default"


def default_groups(connection: Connection, projects: Iterable[str]) -> int:
    """Remove the default security groups of removed projects (by id), which Neutron leaves behind; returns how many there were."""
    removed = 0
    for project in projects:
        for group in connection.network.security_groups(project_id=project):
            if group.name == DEFAULT:
                connection.network.delete_security_group(group)
                removed += 1
    return removed


def default_rules(connection: Connection, projects: Collection[str]) -> int:
    """Remove Neutron's own rules from the default security groups of projects (by id); returns how many there were.

    Where the cloud's templates are as they come, these let everything out, and in from each other member. Any other rule was made
    by somebody, and is for `lz drift` to tell.
    """
    every = list(connection.network.security_groups(name=DEFAULT))
    for project in set(projects) - {group.project_id for group in every}:  # asked for, Neutron makes it
        every += connection.network.security_groups(name=DEFAULT, project_id=project)
    ours = [group for group in every if group.project_id in projects]
    rules = [rule["id"] for group in ours for rule in group.security_group_rules or () if _of_neutron(rule, group.id)]
    for rule in rules:
        connection.network.delete_security_group_rule(rule)
    return len(rules)


def _of_neutron(rule: dict[str, Any], group: str) -> bool:
    """Whether a rule is one of a template as it comes: everything out, or everything in from the group's own members."""
    narrowed = ("protocol", "remote_ip_prefix", "remote_address_group_id", "port_range_min", "port_range_max")
    own = {"egress": None, "ingress": group}
    return not any(rule.get(key) for key in narrowed) and rule.get("remote_group_id") == own[rule["direction"]]
