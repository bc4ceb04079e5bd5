"""What only members of a project see of it, containers of objects and secrets: read and removed by the machine account there."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from openstack.connection import Connection
from openstack.exceptions import NotFoundException, raise_from_response

from landing_zone.drift.facts import Fact
from landing_zone.drift.kinds import KINDS
from landing_zone.engine.credentials import as_machine
from landing_zone.engine.runs import Run
from landing_zone.planners.plan import MachineUserSpec, RegionPlan
from landing_zone.planners.shares import identities, machine_accounts
from stacks.inputs import password_name

PROJECT, USER = KINDS["project"].resource, KINDS["user"].resource
State = Iterable[Mapping[str, Any]]  # resources of one stack, as the engine keeps them
Holder = Callable[[Connection, str], Iterable[Fact]]  # who sees what a project stores, and the project (id)


def accounts(run: Run, region: RegionPlan, projects: Mapping[str, str]) -> dict[str, Connection]:
    """Connections of the machine accounts that work in projects, by the project's id: only they see what it stores.

    Without those of `strangers`.
    """
    users, home = _users(region, projects), run.stacks.home
    return {
        projects[project]: as_machine(run, region, user, project)
        for project, user in users.items()
        if home.keeps(password_name(region.name, user.name))
    }


def former(run: Run, region: RegionPlan, stacks: Iterable[State], projects: Iterable[str]) -> dict[str, Connection]:
    """The same of projects (by id) that the plan may not have any more, by the accounts that the states of their stacks have."""
    wanted, found = frozenset(projects), dict[str, Connection]()
    for resources in stacks:
        made = [one for one in resources if one.get("id") and one["type"] in (PROJECT, USER)]
        users = {one["inputs"]["domainId"]: one["inputs"]["name"] for one in made if one["type"] == USER}
        domains = {one["id"]: one["inputs"]["name"] for one in made if one["type"] == PROJECT and one["id"] in users}
        for one in made:
            domain = one["inputs"].get("domainId", "")
            if one["type"] == PROJECT and one["id"] in wanted and domain in domains:
                account = MachineUserSpec(users[domain], domains[domain], one["inputs"]["name"], (), "")
                if run.stacks.home.keeps(password_name(region.name, account.name)):
                    found[one["id"]] = as_machine(run, region, account, account.project)
    return found


def strangers(run: Run, region: RegionPlan, projects: Iterable[str]) -> list[str]:
    """Machine accounts in projects (by name) whose passwords this machine does not keep."""
    users = {user.name for user in _users(region, projects).values()}
    return sorted(name for name in users if not run.stacks.home.keeps(password_name(region.name, name)))


def _users(region: RegionPlan, projects: Iterable[str]) -> dict[str, MachineUserSpec]:
    asked = frozenset(projects)
    return {project: user for _, spec in identities(region) for project, user in machine_accounts(spec) if project in asked}


def remove_container(store: Connection, fact: Fact) -> None:
    """Remove a container with its objects."""
    for one in store.object_store.objects(fact.name):
        store.object_store.delete_object(one, container=fact.name)
    store.object_store.delete_container(fact.name)


def remove_secret(store: Connection, fact: Fact) -> None:
    """Remove a secret."""
    raise_from_response(store.key_manager.delete(f"/secrets/{fact.id}"))


def _containers(store: Connection, project: str) -> Iterator[Fact]:
    with contextlib.suppress(NotFoundException):  # a project that has never used the service
        for one in store.object_store.containers():
            yield Fact("container", one.name, "", {}, f"{project}/{one.name}", project)


def _secrets(store: Connection, project: str) -> Iterator[Fact]:
    """Those with a name: keys of encrypted volumes have none, and go with their volumes."""
    with contextlib.suppress(NotFoundException):
        for one in store.key_manager.secrets():
            if one.name:
                yield Fact("secret", one.name, "", {}, str(one.secret_ref).rsplit("/", 1)[-1], project)


# source -> the service that it needs, and how it is read
HOLDERS: Mapping[str, tuple[str, Holder]] = {"containers": ("object-store", _containers), "secrets": ("key-manager", _secrets)}
