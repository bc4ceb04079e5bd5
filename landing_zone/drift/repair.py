"""What puts differences right: a plan first, then the deed.

What is not in the model is removed here, kind by kind in the order of `kinds`. What was changed or deleted is made good by its
stack, which reads the cloud anew and then does what `lz up` does; a few settings that no stack writes are set here.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from keystoneauth1.exceptions import ClientException
from openstack import resource
from openstack.connection import Connection
from openstack.exceptions import ConflictException, HttpException, SDKException, raise_from_response
from tenacity import Retrying, retry_if_exception_type, stop_after_delay, wait_fixed

from foundation import stopping
from foundation.errors import LzError, Problem
from landing_zone.drift.facts import Difference, Fact
from landing_zone.drift.holders import remove_container, remove_secret
from landing_zone.drift.kinds import KINDS, STACK
from landing_zone.drift.reading import inside
from landing_zone.engine import limits
from landing_zone.engine.clouds import keystone
from landing_zone.engine.orphans import ALL_PROJECTS, DELETE_TIMEOUT, remove_zone
from landing_zone.engine.stack import StackKey
from landing_zone.engine.sweep import default_groups
from landing_zone.planners.quotas import KEYS, OBJECTS

UNAUTHORIZED = 401
REVOKED = 2.0  # seconds: with a grant Keystone revokes all tokens of its holder, also a new one of the same second; it may be ours
OFFERED = "awaiting-transfer"
TRANSFERS = "/os-volume-transfer"
Act = Callable[[Connection, Fact], object]


@dataclass(frozen=True)
class Repair:
    """remove, set: what is done by calls of our own, in this order. restore: stacks that make good what is theirs; remade: those
    of them that make something anew, which others may build on. leave: what stays as it is, each with the reason."""

    remove: tuple[Difference, ...] = ()
    set: tuple[Difference, ...] = ()
    restore: frozenset[StackKey] = frozenset()
    remade: frozenset[StackKey] = frozenset()
    leave: tuple[tuple[Difference, str], ...] = ()


def plan(environment: str, differences: Iterable[Difference], named: Collection[str]) -> Repair:
    """How each difference is put right. `named` are names or ids of things with data that may be removed."""
    remove: list[Difference] = []
    own: list[Difference] = []
    restore: set[StackKey] = set()
    remade: set[StackKey] = set()
    leave: list[tuple[Difference, str]] = []
    for one in differences:
        fact, kind = one.fact, KINDS[one.fact.kind]
        if one.finding == "not in the model" and kind.name == STACK:
            leave.append((one, f"put it back into the environment file, or remove it: lz down --layer {fact.layer}"))
        elif one.finding == "not in the model" and not one.managed:
            if kind.name not in REMOVERS:
                leave.append((one, "remove it by hand"))
            elif kind.data and not named_in(fact, named):
                leave.append((one, f"it holds data: name it with --yes-delete-data {fact.name!r}"))
            else:
                remove.append(one)
        else:
            if one.finding == "missing" and kind.name in MAKERS and all(fact.at.values()):
                own.append(one)
                continue
            if settable(one):
                own.append(one)
            key = StackKey(environment, one.region, fact.layer)
            if one.finding == "missing":
                remade.add(key)
            if not one.changed or {(kind.name, attribute) for attribute in one.changed} - SETTERS.keys():
                restore.add(key)
    order = list(KINDS)
    first = tuple(sorted(remove, key=lambda one: order.index(one.fact.kind)))
    return Repair(first, tuple(own), frozenset(restore), frozenset(remade), tuple(leave))


def named_in(fact: Fact, named: Collection[str]) -> bool:
    """Whether a thing is among those that a person named."""
    return fact.name in named or (bool(fact.id) and fact.id in named)


def settable(difference: Difference) -> bool:
    """Whether a setting differs that we set ourselves."""
    return any((difference.fact.kind, attribute) in SETTERS for attribute in difference.changed)


def carry_out(repair: Repair, connections: Mapping[str, Connection], stores: Mapping[str, Connection] | None = None) -> list[Problem]:
    """Remove and set what the plan says. What the cloud refuses is told, and does not keep the rest from being done.

    connections: by region. stores: who removes what only members of a project see, by project (id).
    """
    members = stores or {}
    removals = ((one, REMOVERS[one.fact.kind], members.get(one.fact.parent, connections[one.region])) for one in repair.remove)
    problems: list[Problem | None] = [*removed(removals)]
    problems += [
        attempt(one, SETTERS[one.fact.kind, attribute], f"set right ({attribute})", connections[one.region])
        for one in repair.set
        for attribute in one.changed
        if (one.fact.kind, attribute) in SETTERS
    ]
    problems += [attempt(one, MAKERS[one.fact.kind], "made", connections[one.region]) for one in repair.set if one.finding == "missing"]
    return [problem for problem in problems if problem is not None]


def removed(wanted: Iterable[tuple[Difference, Act, Connection]]) -> list[Problem]:
    """Remove things, each by its act; what the cloud refuses.

    Once more, when others have gone meanwhile: of things of one kind one may hang on another, as an incremental backup does.
    """
    every = list(wanted)
    first = [(each, attempt(each[0], each[1], "removed", each[2])) for each in every]
    refused = [each for each, problem in first if problem is not None]
    if len(refused) == len(every):
        return [problem for _, problem in first if problem is not None]
    again = [attempt(one, act, "removed", connection) for one, act, connection in refused]
    return [problem for problem in again if problem is not None]


def attempt(one: Difference, act: Act, done: str, connection: Connection) -> Problem | None:
    """Do it; where the cloud refuses, the problem. Once more where our token was revoked under way. done: the deed in a word."""
    try:
        try:
            act(connection, one.fact)
        except HttpException as error:
            if error.status_code != UNAUTHORIZED:
                raise
            time.sleep(REVOKED)
            act(connection, one.fact)
    except LzError as error:
        return error.problems[0]
    except (SDKException, ClientException) as error:
        return Problem(
            f"{one.fact.kind} {one.fact.name} could not be {done}",
            where=f"region {one.region}, {one.fact.id or one.fact.at}",
            why=f"{type(error).__name__}: {error}",
            cure="remove what depends on it, then run the same command again",
        )
    return None


def _grant(connection: Connection, fact: Fact) -> None:
    raise_from_response(keystone(connection).delete(fact.at["path"]))


def _route(connection: Connection, fact: Fact) -> None:
    route = {"destination": fact.at["destination"], "nexthop": fact.at["nexthop"]}
    connection.network.remove_extra_routes_from_router(fact.at["router"], body={"router": {"routes": [route]}})


def _instance(connection: Connection, fact: Fact) -> None:
    server = connection.compute.get_server(fact.id)
    connection.compute.delete_server(server)
    connection.compute.wait_for_delete(server, wait=DELETE_TIMEOUT)


def _start(connection: Connection, fact: Fact) -> None:
    compute = connection.compute
    server = compute.get_server(fact.id)
    others = {"PAUSED": compute.unpause_server, "SUSPENDED": compute.resume_server}
    others |= dict.fromkeys(("SHELVED", "SHELVED_OFFLOADED"), compute.unshelve_server)
    others.get(server.status, compute.start_server)(server)
    compute.wait_for_server(server, wait=DELETE_TIMEOUT)


def _load_balancer(connection: Connection, fact: Fact) -> None:
    """Octavia takes its time, refuses while it still works on the balancer, and the port stands in a network until the end."""
    balancer = connection.load_balancer.get_load_balancer(fact.id)
    until_settled = Retrying(
        retry=retry_if_exception_type(ConflictException), stop=stop_after_delay(DELETE_TIMEOUT), wait=wait_fixed(1), sleep=stopping.pause,
        reraise=True,
    )  # fmt: skip
    until_settled(connection.load_balancer.delete_load_balancer, balancer, cascade=True)
    resource.wait_for_delete(connection.load_balancer, balancer, interval=1, wait=int(DELETE_TIMEOUT))


def _backup(connection: Connection, fact: Fact) -> None:
    """Cinder takes its time, and a backup is not removed before those that were made on top of it are gone."""
    backup = connection.block_storage.get_backup(fact.id)
    connection.block_storage.delete_backup(fact.id)
    connection.block_storage.wait_for_delete(backup, interval=1, wait=int(DELETE_TIMEOUT))


def _snapshot(connection: Connection, fact: Fact) -> None:
    """Cinder takes its time, and a volume is not removed before its snapshots are gone."""
    snapshot = connection.block_storage.get_snapshot(fact.id)
    _take_back(connection, connection.block_storage.get_volume(snapshot.volume_id))
    connection.block_storage.delete_snapshot(fact.id)
    connection.block_storage.wait_for_delete(snapshot, interval=1, wait=int(DELETE_TIMEOUT))


def _volume(connection: Connection, fact: Fact) -> None:
    """It counts against its project's quota until it is gone, and its project goes next."""
    volume = connection.block_storage.get_volume(fact.id)
    _take_back(connection, volume)
    connection.block_storage.delete_volume(fact.id)
    connection.block_storage.wait_for_delete(volume, interval=1, wait=int(DELETE_TIMEOUT))


def _take_back(connection: Connection, volume: Any) -> None:
    """End the transfers of a volume: while it is offered to another project, Cinder removes neither it nor, by some drivers, its
    snapshots. The library does not ask for the transfers of all projects, though it has a word for it."""
    if volume.status != OFFERED:
        return
    answer = connection.block_storage.get(TRANSFERS, params={"all_tenants": "1"})
    raise_from_response(answer)
    for one in answer.json()["transfers"]:
        if one["volume_id"] == volume.id:
            raise_from_response(connection.block_storage.delete(f"{TRANSFERS}/{one['id']}"))


def _trunk(connection: Connection, fact: Fact) -> None:
    """Neutron touches no trunk that is switched off."""
    connection.network.update_trunk(fact.id, is_admin_state_up=True)
    connection.network.delete_trunk(fact.id)


def _address_group(connection: Connection, fact: Fact) -> None:
    """Neutron removes none that a rule names: one of a default group, which stays, or of a group that others have as well."""
    for rule in connection.network.security_group_rules(remote_address_group_id=fact.id):
        connection.network.delete_security_group_rule(rule)
    connection.network.delete_address_group(fact.id)


def _project(connection: Connection, fact: Fact) -> None:
    """Keystone removes a project whatever is in it, and nobody finds that afterwards."""
    left = inside(connection, fact.id)
    if left:
        raise ConflictException(f"it is not empty: {', '.join(left)}")
    keystone(connection).delete_project(fact.id)
    default_groups(connection, [fact.id])


def _gateway(connection: Connection, fact: Fact) -> None:
    """By the stack no router loses a gateway; see engine.gateways."""
    wanted = fact.values["external network"]
    found = connection.network.find_network(str(wanted), ignore_missing=False) if wanted else None
    outer = {"network_id": found.id, "enable_snat": fact.values["snat"]} if found else {}
    connection.network.update_router(fact.id, external_gateway_info=outer)


def _limits(service: str) -> Act:
    return lambda connection, fact: limits.WRITERS[service](connection, fact.parent, fact.values)


def _designate(connection: Connection, path: str) -> None:
    raise_from_response(connection.dns.delete(path, headers=ALL_PROJECTS))


REMOVERS: Mapping[str, Act] = {
    "role assignment": _grant,
    "group membership": lambda connection, fact: keystone(connection).remove_user_from_group(fact.at["user"], fact.at["group"]),
    "application credential": lambda connection, fact: keystone(connection).delete_application_credential(fact.at["user"], fact.id),
    "trust": lambda connection, fact: keystone(connection).delete_trust(fact.id),
    "access key": lambda connection, fact: keystone(connection).delete_credential(fact.at["id"]),
    "key pair": lambda connection, fact: connection.compute.delete_keypair(fact.at["name"], user_id=fact.at["user"]),
    "DNS record": lambda connection, fact: _designate(connection, f"/zones/{fact.at['zone']}/recordsets/{fact.id}"),
    "DNS zone share": lambda connection, fact: _designate(connection, f"/zones/{fact.at['zone']}/shares/{fact.id}"),
    "DNS zone transfer": lambda connection, fact: _designate(connection, f"/zones/tasks/transfer_requests/{fact.id}"),
    "share": lambda connection, fact: connection.network.delete_rbac_policy(fact.id),
    "floating address": lambda connection, fact: connection.network.delete_ip(fact.id),
    "port security": lambda connection, fact: connection.network.update_port(
        fact.id, is_port_security_enabled=True, allowed_address_pairs=[]
    ),
    "load balancer": _load_balancer,
    "instance": _instance,
    "server group": lambda connection, fact: connection.compute.delete_server_group(fact.id),
    "backup": _backup,
    "snapshot": _snapshot,
    "volume": _volume,
    "image": lambda connection, fact: connection.image.delete_image(fact.id),
    "container": remove_container,
    "secret": remove_secret,
    "route": _route,
    "router interface": lambda connection, fact: connection.network.remove_interface_from_router(fact.at["router"], port=fact.id),
    "trunk": _trunk,
    "port": lambda connection, fact: connection.network.delete_port(fact.id),
    "security group rule": lambda connection, fact: connection.network.delete_security_group_rule(fact.id),
    "security group": lambda connection, fact: connection.network.delete_security_group(fact.id),
    "address group": _address_group,
    "router": lambda connection, fact: connection.network.delete_router(fact.id),
    "subnet": lambda connection, fact: connection.network.delete_subnet(fact.id),
    "network": lambda connection, fact: connection.network.delete_network(fact.id),
    "subnet pool": lambda connection, fact: connection.network.delete_subnet_pool(fact.id),
    "address scope": lambda connection, fact: connection.network.delete_address_scope(fact.id),
    "DNS zone": lambda connection, fact: remove_zone(connection, fact.id, fact.name),
    "user": lambda connection, fact: keystone(connection).delete_user(fact.id),
    "group": lambda connection, fact: keystone(connection).delete_group(fact.id),
    "project": _project,
}
# What no stack makes anew: the provider cannot read that it is gone.
MAKERS: Mapping[str, Act] = {
    "group membership": lambda connection, fact: keystone(connection).add_user_to_group(fact.at["user"], fact.at["group"]),
}
# Settings that no stack writes, so that it would not put them back either.
SETTERS: Mapping[tuple[str, str], Act] = {
    ("domain", "enabled"): lambda connection, fact: keystone(connection).update_domain(fact.id, is_enabled=True),
    ("project", "enabled"): lambda connection, fact: keystone(connection).update_project(fact.id, is_enabled=True),
    ("user", "enabled"): lambda connection, fact: keystone(connection).update_user(fact.id, is_enabled=True),
    ("instance", "running"): _start,
    ("router", "external network"): _gateway,
    ("subnet", "host routes"): lambda connection, fact: connection.network.update_subnet(fact.id, host_routes=[]),
    ("quota", "bytes"): _limits(OBJECTS),
    ("quota", "secrets"): _limits(KEYS),
    ("quota", "containers"): _limits(KEYS),
}
