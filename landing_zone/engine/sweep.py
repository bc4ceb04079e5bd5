"""What OpenStack makes by itself for a project and leaves behind when the project goes: its default security group."""

from __future__ import annotations

from collections.abc import Iterable

from openstack.connection import Connection


def default_groups(connection: Connection, projects: Iterable[str]) -> int:
    """Remove the default security groups of removed projects (by id); returns how many there were."""
    removed = 0
    for project in projects:
        for group in connection.network.security_groups(project_id=project):
            if group.name == "default":
                connection.network.delete_security_group(group)
                removed += 1
    return removed
