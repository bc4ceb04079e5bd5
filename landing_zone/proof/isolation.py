"""What a tenant's own credentials can see of another tenant: nothing, while they do see what is the tenant's own."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from openstack.connection import Connection
from openstack.exceptions import ForbiddenException, NotFoundException, SDKException

from landing_zone.engine.clouds import keystone
from landing_zone.proof.results import Result, Verdict

Ids = Mapping[str, Mapping[str, str]]
Getter = Callable[[Connection, str], object]

# kind in a stack's outputs -> control behind it, and how one of that kind is read
READERS: Mapping[str, tuple[str, Getter]] = {
    "network": ("NET-04", lambda connection, identity: connection.network.get_network(identity)),
    "subnet": ("NET-04", lambda connection, identity: connection.network.get_subnet(identity)),
    "router": ("NET-04", lambda connection, identity: connection.network.get_router(identity)),
    "security-group": ("NET-04", lambda connection, identity: connection.network.get_security_group(identity)),
    "project": ("IAM-01", lambda connection, identity: keystone(connection).get_project(identity)),
    "domain": ("IAM-01", lambda connection, identity: keystone(connection).get_domain(identity)),
    "group": ("IAM-01", lambda connection, identity: keystone(connection).get_group(identity)),
}
OWN = "network"  # what a tenant must see of its own, or else its blindness means nothing


def check_pair(connection: Connection, region: str, tenant: str, own: Ids, other: str, others: Ids) -> Iterator[Result]:
    """Results for what `tenant` (signed in by `connection`) sees of `other`, one for each kind of thing."""
    sees = _sees_own(connection, own)
    for kind, (control, read) in READERS.items():
        if kind not in others:
            continue
        what = f"{tenant} cannot see the {kind}s of {other} by the API"
        try:
            visible = sorted(name for name, identity in others[kind].items() if _readable(read, connection, identity))
        except SDKException as error:
            yield Result(control, region, what, Verdict.UNKNOWN, f"{type(error).__name__}: {error}")
            continue
        if visible:
            yield Result(control, region, what, Verdict.FAIL, f"sees {', '.join(visible)}")
        elif sees:
            yield Result(control, region, what, Verdict.PASS, f"none of {len(others[kind])}, while it sees its own")
        else:
            yield Result(control, region, what, Verdict.UNKNOWN, "it does not see its own either")


def _sees_own(connection: Connection, own: Ids) -> bool:
    read = READERS[OWN][1]
    try:
        return any(_readable(read, connection, identity) for identity in own.get(OWN, {}).values())
    except SDKException:
        return False


def _readable(read: Getter, connection: Connection, identity: str) -> bool:
    try:
        read(connection, identity)
    except (NotFoundException, ForbiddenException):
        return False
    return True
