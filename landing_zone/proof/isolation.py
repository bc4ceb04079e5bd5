"""What a tenant's own credentials can see of other tenants: nothing, while they do see what is the tenant's own."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from keystoneauth1.exceptions import ClientException
from openstack.connection import Connection
from openstack.exceptions import ForbiddenException, NotFoundException, SDKException, raise_from_response

from landing_zone.engine.clouds import account_of, keystone
from landing_zone.planners.shares import Kind
from landing_zone.proof.results import Result, Verdict

Ids = Mapping[str, Mapping[str, str]]
Getter = Callable[[Connection, str], object]
Lister = Callable[[Connection], Iterable[Any]]


@dataclass(frozen=True)
class Look:
    """How one thing is looked for: the control behind it, the `kind` in a stack's outputs that has its id, and how it is read."""

    control: str
    kind: Kind
    read: Getter


# What a tenant lists is all that it sees, so that one call looks at all other tenants.
LISTS: Mapping[Kind, Lister] = {
    "network": lambda connection: connection.network.networks(),
    "subnet": lambda connection: connection.network.subnets(),
    "router": lambda connection: connection.network.routers(),
    "security-group": lambda connection: connection.network.security_groups(),
}
NETWORK = Look("NET-04", "network", lambda connection, identity: connection.network.get_network(identity))
ACCOUNT = Look(
    "STO-05", "project", lambda connection, project: raise_from_response(connection.object_store.head(account_of(connection, project)))
)
# What a tenant may not list is asked for by its id; beside it, what the tenant must see of its own, or else its blindness means nothing.
LOOKS: Mapping[str, tuple[Look, Look]] = {
    "project": (Look("IAM-01", "project", lambda connection, identity: keystone(connection).get_project(identity)), NETWORK),
    "domain": (Look("IAM-01", "domain", lambda connection, identity: keystone(connection).get_domain(identity)), NETWORK),
    "group": (Look("IAM-01", "group", lambda connection, identity: keystone(connection).get_group(identity)), NETWORK),
    "object account": (ACCOUNT, ACCOUNT),
}


def check(connection: Connection, region: str, tenant: str, other: str, ids: Mapping[str, Ids]) -> Iterator[Result]:
    """Results for what `tenant` (signed in by `connection`) sees of all others in `ids`, by LISTS, and of `other`, by LOOKS.

    ids: by tenant. That it sees its own is looked at by a network where it lists: of its own routers a tenant need not see any.
    """
    sees = {look: _sees_own(connection, look, ids[tenant]) for _, look in LOOKS.values()}
    others = [each for code, each in ids.items() if code != tenant]
    yield from _of_all(connection, region, tenant, others, sees[NETWORK])
    yield from _of_one(connection, region, tenant, other, ids[other], sees)


def _of_all(connection: Connection, region: str, tenant: str, others: Collection[Ids], sees_own: bool) -> Iterator[Result]:
    for kind, listed in LISTS.items():
        theirs = {identity: name for ids in others for name, identity in ids.get(kind, {}).items()}
        if not theirs:
            continue
        what = f"{tenant} cannot see the {kind}s of other tenants by the API"
        try:
            seen = {thing.id for thing in listed(connection)}
        except (SDKException, ClientException) as error:
            yield Result(NETWORK.control, region, what, Verdict.UNKNOWN, f"{type(error).__name__}: {error}")
            continue
        visible = [theirs[identity] for identity in theirs.keys() & seen]
        yield Result(NETWORK.control, region, what, *_judged(visible, len(theirs), sees_own))


def _of_one(connection: Connection, region: str, tenant: str, other: str, others: Ids, sees: Mapping[Look, bool]) -> Iterator[Result]:
    for name, (look, control) in LOOKS.items():
        if look.kind not in others:
            continue
        what = f"{tenant} cannot see the {name}s of {other} by the API"
        try:
            visible = [name for name, identity in others[look.kind].items() if _readable(look.read, connection, identity)]
        except (SDKException, ClientException) as error:
            yield Result(look.control, region, what, Verdict.UNKNOWN, f"{type(error).__name__}: {error}")
            continue
        yield Result(look.control, region, what, *_judged(visible, len(others[look.kind]), sees[control]))


def _judged(visible: Collection[str], total: int, sees_own: bool) -> tuple[Verdict, str]:
    if visible:
        return Verdict.FAIL, f"sees {', '.join(sorted(visible))}"
    if not sees_own:
        return Verdict.UNKNOWN, "it does not see its own either"
    return Verdict.PASS, f"none of {total}, while it sees its own"


def _sees_own(connection: Connection, look: Look, own: Ids) -> bool:
    try:
        return any(_readable(look.read, connection, identity) for identity in own.get(look.kind, {}).values())
    except (SDKException, ClientException):
        return False


def _readable(read: Getter, connection: Connection, identity: str) -> bool:
    try:
        read(connection, identity)
    except (NotFoundException, ForbiddenException):
        return False
    return True
