"""What a tenant's own credentials can see of another tenant: nothing, while they do see what is the tenant's own."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from openstack.connection import Connection
from openstack.exceptions import ForbiddenException, NotFoundException, SDKException, raise_from_response

from landing_zone.engine.clouds import account_of, keystone
from landing_zone.proof.results import Result, Verdict

Ids = Mapping[str, Mapping[str, str]]
Getter = Callable[[Connection, str], object]


@dataclass(frozen=True)
class Look:
    """How things are looked for: the control behind it, the `kind` in a stack's outputs that has their ids, how one is read, and
    what a tenant must see of its own, or else its blindness means nothing."""

    control: str
    kind: str
    read: Getter
    own: str = "network"


LOOKS: Mapping[str, Look] = {
    "network": Look("NET-04", "network", lambda connection, identity: connection.network.get_network(identity)),
    "subnet": Look("NET-04", "subnet", lambda connection, identity: connection.network.get_subnet(identity)),
    "router": Look("NET-04", "router", lambda connection, identity: connection.network.get_router(identity)),
    "security-group": Look("NET-04", "security-group", lambda connection, identity: connection.network.get_security_group(identity)),
    "project": Look("IAM-01", "project", lambda connection, identity: keystone(connection).get_project(identity)),
    "domain": Look("IAM-01", "domain", lambda connection, identity: keystone(connection).get_domain(identity)),
    "group": Look("IAM-01", "group", lambda connection, identity: keystone(connection).get_group(identity)),
    "object account": Look(
        "STO-05",
        "project",
        lambda connection, project: raise_from_response(connection.object_store.head(account_of(connection, project))),
        own="object account",
    ),
}


def check_pair(connection: Connection, region: str, tenant: str, own: Ids, other: str, others: Ids) -> Iterator[Result]:
    """Results for what `tenant` (signed in by `connection`) sees of `other`, one for each kind of thing."""
    sees = {name: _sees_own(connection, LOOKS[name], own) for name in {look.own for look in LOOKS.values()}}
    for name, look in LOOKS.items():
        if look.kind not in others:
            continue
        what = f"{tenant} cannot see the {name}s of {other} by the API"
        try:
            visible = sorted(name for name, identity in others[look.kind].items() if _readable(look.read, connection, identity))
        except SDKException as error:
            yield Result(look.control, region, what, Verdict.UNKNOWN, f"{type(error).__name__}: {error}")
            continue
        if visible:
            yield Result(look.control, region, what, Verdict.FAIL, f"sees {', '.join(visible)}")
        elif sees[look.own]:
            yield Result(look.control, region, what, Verdict.PASS, f"none of {len(others[look.kind])}, while it sees its own")
        else:
            yield Result(look.control, region, what, Verdict.UNKNOWN, "it does not see its own either")


def _sees_own(connection: Connection, look: Look, own: Ids) -> bool:
    try:
        return any(_readable(look.read, connection, identity) for identity in own.get(look.kind, {}).values())
    except SDKException:
        return False


def _readable(read: Getter, connection: Connection, identity: str) -> bool:
    try:
        read(connection, identity)
    except (NotFoundException, ForbiddenException):
        return False
    return True
