"""What OpenStack makes by itself for a project: its default security group, with rules that nobody wrote.

What is still to be done about them is kept beside the state, since a run may be killed: a mark for each stack that is about to
be applied, and one for each that is about to be removed, with the ids of its projects, which no state knows afterwards.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Any

from openstack.connection import Connection

from foundation import files
from landing_zone.engine.home import Home

DEFAULT = "default"


def leave(home: Home, stack: str, projects: Iterable[str]) -> None:
    """Keep that a stack is about to be removed, and its projects (by id), with those that are kept of it already."""
    file = _file(home, stack)
    known = {*(_ids(file) if file.exists() else ()), *projects}
    files.replace(file, json.dumps(sorted(known)))


def leaving(home: Home) -> Mapping[str, tuple[str, ...]]:
    """The stacks that were about to be removed, each with what is kept of its projects (by id)."""
    return {path.stem: _ids(path) for path in sorted(home.leaving.glob("*.json"))}


def left(home: Home, stack: str) -> None:
    """Forget a removed stack: nothing is left behind of it."""
    _file(home, stack).unlink(missing_ok=True)


def _file(home: Home, stack: str) -> Path:
    return home.leaving / f"{stack}.json"


def _ids(file: Path) -> tuple[str, ...]:
    return tuple(json.loads(file.read_text()))


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
