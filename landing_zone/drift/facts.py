"""One thing of a region as a fact, in the same words whether the plan wants it or the cloud has it; and what differs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address, ip_network
from typing import Literal

Value = str | int | bool | None | tuple[str, ...]
UNSEEN = "(cannot be seen)"  # in place of a value that the cloud does not tell any more: it does not differ from any
Finding = Literal["not in the model", "missing", "changed"]


@dataclass(frozen=True)
class Fact:
    """One thing. `kind` is a name of `kinds.KINDS`; `name` is how people know it; `values` is what is compared, by attribute.

    id: of the thing itself; in a wanted fact the id by which the state knows it ("": it does not). parent: the id of what it
    goes away with ("": it stands alone). at: what else is needed to remove it, by word.
    """

    kind: str
    name: str
    layer: str
    values: Mapping[str, Value] = field(default_factory=dict)
    id: str = ""
    parent: str = ""
    at: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Difference:
    """One thing that is otherwise than the model says. `fact` is the wanted one, or the one that nobody wants.

    details: what is to be known of it, a sentence each. managed: the state knows it. changed: attributes that differ.
    """

    region: str
    finding: Finding
    fact: Fact
    details: tuple[str, ...] = ()
    managed: bool = False
    changed: tuple[str, ...] = ()


def rule_name(group: str, direction: str, ethertype: str, protocol: str | None, ports: tuple[int | None, int | None], remote: str) -> str:
    """A security-group rule by all that it permits."""
    low, high = ports
    shown = "" if low is None and high is None else f"/{low}" if low == high else f"/{low}-{high}"
    word = "from" if direction == "ingress" else "to"
    return f"{group}: {direction} {ethertype} {protocol or 'any'}{shown} {word} {remote or 'anywhere'}"


def grant_name(actor: str, role: str, scope: str, target: str, *, inherited: bool) -> str:
    """A role assignment; `actor` is `group NAME` or `user NAME`, `scope` project, domain or system."""
    return " ".join((f"{actor}: {role} on {scope}", *((target,) if target else ()), *(("(inherited)",) if inherited else ())))


def share_name(kind: str, name: str, target: str, action: str = "access_as_shared") -> str:
    """A sharing policy: what is shared with which project; Neutron's `security_group` is said as people say it."""
    return f"{kind.replace('_', ' ')} {name} with {target}" + ("" if action == "access_as_shared" else f" ({action})")


def zone_share_name(zone: str, target: str) -> str:
    """A DNS zone in which another project may write."""
    return f"{zone} with {target}"


def zone_transfer_name(zone: str, target: str) -> str:
    """A DNS zone that is offered to another project ("": to any)."""
    return f"{zone} to {target or 'whoever has its key'}"


def route_name(router: str, destination: str, hop: str) -> str:
    """A static route."""
    return f"{router}: {destination} via {hop}"


def of_owner(name: str, owner: str) -> str:
    """Something that is known by its name within its owner: a key pair of an account, limits of a project."""
    return f"{name} of {owner}"


def prefix(text: str) -> str:
    """A prefix in its canonical form, host bits cut off."""
    return str(ip_network(text, strict=False))


def address(text: str | None) -> str | None:
    """An address in its canonical form."""
    return str(ip_address(text)) if text else None


def texts(values: Iterable[str]) -> tuple[str, ...]:
    """Values of which the order does not matter."""
    return tuple(sorted(values))
