"""Limits that no resource of the provider sets: of object storage and of the key manager, project by project. And the end of all
limits: those that a resource sets stay with their service when the resource is removed, but for Octavia's.

`lz up` sets them by plain calls when the projects stand, and keeps on this machine what it has set. Nobody is asked again until
the plan gives another limit or the stack is applied anew; what somebody else sets there is for `lz drift`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from keystoneauth1.exceptions import ClientException
from openstack.connection import Connection
from openstack.exceptions import SDKException, raise_from_response

from foundation import files
from foundation.errors import LzError, Problem, raise_all
from landing_zone.engine.clouds import account_of
from landing_zone.engine.orphans import ALL_PROJECTS
from landing_zone.engine.runs import Run
from landing_zone.engine.stack import StackKey
from landing_zone.planners.quotas import KEYS, OBJECTS, Limits, by_calls
from landing_zone.planners.shares import identities

AT_ONCE = 8  # stacks, or projects
NONE = -1  # how a limit that is not set reads
# Swift knows both names, and tells the second; other stores, and Swift of before 2025, know the first only.
BYTES = "X-Account-Meta-Quota-Bytes"
TOLD = ("X-Account-Quota-Bytes", BYTES)
REMOVE = "X-Remove-Account-Meta-Quota-Bytes"
OF_KEYS = ("secrets", "containers")
GONE = {404, 410}
UNTOUCHED = {*GONE, 403}  # nothing that this account could have set


def due(run: Run, keys: Iterable[StackKey]) -> dict[StackKey, Mapping[str, Limits]]:
    """What is yet to be set of stacks that stand: project -> service -> limit -> figure. Only the plan is asked."""
    stands = run.stacks.standing()
    wanted = {key: _planned(run, key) for key in keys if key.name in stands}
    return {key: each for key, each in wanted.items() if each and each != _kept(run, key)}


def ensure(run: Run, keys: Iterable[StackKey]) -> None:
    """Set what is yet to be set. LzError with every project for which it did not work."""
    with ThreadPoolExecutor(max_workers=AT_ONCE) as pool:
        problems = pool.map(lambda one: _set(run, *one), due(run, keys).items())
    raise_all((problem for found in problems for problem in found), LzError)


def clear(connection: Connection, services: Iterable[str], projects: Iterable[str]) -> None:
    """Take the limits of removed projects (by id) away, with accounts of object storage that have nothing in them."""
    removers = [REMOVERS[service] for service in services if service in REMOVERS]

    def of_project(project: str) -> None:
        for remove in removers:
            remove(connection, project)

    with ThreadPoolExecutor(max_workers=AT_ONCE) as pool:
        list(pool.map(of_project, projects))


def _planned(run: Run, key: StackKey) -> Mapping[str, Limits]:
    region = run.plan.regions.get(key.region)
    spec = dict(identities(region)).get(key.layer) if region else None
    if region is None or spec is None:
        return {}
    limits = {project.name: by_calls(project.quota, region.demand.services) for project in spec.projects}
    return {name: each for name, each in limits.items() if each}


def _kept(run: Run, key: StackKey) -> object:
    file = run.stacks.home.limits(key.name)
    try:
        return json.loads(file.read_text())
    except (FileNotFoundError, ValueError):
        return None


def _set(run: Run, key: StackKey, wanted: Mapping[str, Limits]) -> list[Problem]:
    """Set the limits of a stack's projects, and keep that they are set; what did not work."""
    ids: Mapping[str, str] = run.stacks.outputs(key).get("ids", {}).get("project", {})
    problems = [
        problem
        for project, limits in wanted.items()
        for service, figures in limits.items()
        for problem in [_attempt(run, key, service, project, ids.get(project), figures)]
        if problem
    ]
    if not problems:
        files.replace(run.stacks.home.limits(key.name), json.dumps(wanted))
    return problems


def _attempt(run: Run, key: StackKey, service: str, project: str, identity: str | None, figures: Mapping[str, int]) -> Problem | None:
    if identity is None:
        why = "an earlier run failed or was stopped before the project was there"
    else:
        try:
            WRITERS[service](run.connections[key.region], identity, figures)
        except (SDKException, ClientException) as error:
            why = f"{type(error).__name__}: {error}"
        else:
            return None
    return Problem(
        f"the limits of {service} of project {project} could not be set",
        where=f"region {key.region}, project {identity or 'not made yet'}",
        why=why,
        cure=f"lz preflight --env {run.plan.called} tells whether this account may; then run the same command again",
    )


def _read_objects(connection: Connection, project: str) -> dict[str, int]:
    answer = connection.object_store.head(account_of(connection, project))
    if answer.status_code not in GONE:
        raise_from_response(answer)
    told = next((answer.headers[name] for name in TOLD if answer.headers.get(name)), NONE)
    return {"bytes": int(told)}


def _read_keys(connection: Connection, project: str) -> dict[str, int]:
    answer = connection.key_manager.get(f"/project-quotas/{project}")
    if answer.status_code in GONE:
        return dict.fromkeys(OF_KEYS, NONE)
    raise_from_response(answer)
    found: Mapping[str, int | None] = answer.json()["project_quotas"]
    return {name: NONE if (limit := found[name]) is None else limit for name in OF_KEYS}


def _write_objects(connection: Connection, project: str, figures: Mapping[str, Any]) -> None:
    raise_from_response(connection.object_store.post(account_of(connection, project), headers={BYTES: str(figures["bytes"])}))


def _write_keys(connection: Connection, project: str, figures: Mapping[str, Any]) -> None:
    raise_from_response(connection.key_manager.put(f"/project-quotas/{project}", json={"project_quotas": dict(figures)}))


def _remove_objects(connection: Connection, project: str) -> None:
    """Where accounts are not removed by call, or something is in it, only the limit goes."""
    account = account_of(connection, project)
    answer = connection.object_store.head(account)
    if answer.status_code in UNTOUCHED:
        return
    raise_from_response(answer)
    if int(answer.headers.get("X-Account-Container-Count", 0)) == 0 and connection.object_store.delete(account).ok:
        return
    answer = connection.object_store.post(account, headers={REMOVE: "x"})
    if answer.status_code not in UNTOUCHED:
        raise_from_response(answer)


def _remove_by(service: str, path: str, headers: Mapping[str, str] | None = None) -> Callable[[Connection, str], None]:
    """A call that removes the limits of a project in one service (its name in the library), which need not have any."""

    def remove(connection: Connection, project: str) -> None:
        answer = getattr(connection, service).delete(f"{path}/{project}", headers=headers)
        if answer.status_code not in UNTOUCHED:
            raise_from_response(answer)

    return remove


# service -> its calls: connection and project id, and the figures
READERS: Mapping[str, Callable[[Connection, str], Mapping[str, int]]] = {OBJECTS: _read_objects, KEYS: _read_keys}
WRITERS: Mapping[str, Callable[[Connection, str, Mapping[str, Any]], None]] = {OBJECTS: _write_objects, KEYS: _write_keys}
REMOVERS: Mapping[str, Callable[[Connection, str], None]] = {
    OBJECTS: _remove_objects,
    KEYS: _remove_by("key_manager", "/project-quotas"),
    "compute": _remove_by("compute", "/os-quota-sets"),
    "network": _remove_by("network", "/quotas"),
    "block-storage": _remove_by("block_storage", "/os-quota-sets"),
    "dns": _remove_by("dns", "/quotas", ALL_PROJECTS),
}
