"""Names and codes: each once, none that the platform keeps for itself, and in characters that services take."""

from __future__ import annotations

import re
from collections.abc import Callable, Hashable, Iterable, Iterator

from landing_zone.model.complaints import Finding
from landing_zone.model.document import Path_
from landing_zone.model.ends import WORLD
from landing_zone.model.environment import Environment
from landing_zone.model.levels import zones
from landing_zone.model.platform import PLATFORM

RESERVED_OWNERS = frozenset({PLATFORM, "admin", "default", "service", "transit", "hub", "public", "external", WORLD})
RESERVED_PROJECTS = frozenset({"network", "automation"})
RESERVED_GROUPS = frozenset({"automation"})
_LONGEST_SHOWN = 12
_MAIL_PART = re.compile(r"(?!-)[A-Za-z0-9_-]{1,63}(?<!-)")  # of what DNS zones have as a mail address: what names of zones are made of


def unique(environment: Environment) -> Iterator[Finding]:
    """No two things of a kind have the same name or code."""
    for index, region in enumerate(environment.regions):
        yield from _twice(region.availability_zones, ("regions", index, "availability_zones"), (), "availability zone")
        yield from _twice(region.resolvers, ("regions", index, "resolvers"), (), "resolver")
    yield from _twice([r.name for r in environment.regions], ("regions",), ("name",), "region name")
    yield from _twice([r.cloud for r in environment.regions], ("regions",), ("cloud",), "cloud entry")
    yield from _twice(environment.zones, ("zones",), (), "zone")
    yield from _twice([e.code for e in environment.enclaves], ("enclaves",), ("code",), "enclave code")
    yield from _twice(
        [e.availability_zone for e in environment.enclaves], ("enclaves",), ("availability_zone",), "availability zone of an enclave"
    )
    yield from _twice([e.volume_type for e in environment.enclaves], ("enclaves",), ("volume_type",), "volume type of an enclave")
    yield from _twice([d.name for d in environment.destinations], ("destinations",), ("name",), "destination name")
    for index, destination in enumerate(environment.destinations):
        yield from _twice(destination.networks, ("destinations", index, "networks"), (), "prefix")
    yield from _twice([s.name for s in environment.shared_services], ("shared_services",), ("name",), "service name")
    yield from _twice([(s.zone, s.host) for s in environment.shared_services], ("shared_services",), ("host",), "address in its zone")
    for index, service in enumerate(environment.shared_services):
        yield from _twice(service.ports, ("shared_services", index, "ports"), (), "port")
        yield from _twice(service.clients, ("shared_services", index, "clients"), (), "client zone")
    flows = [(f.source, f.target, f.protocol, f.ports) for f in environment.flows]
    yield from _twice(flows, ("flows",), (), "flow")
    for index, flow in enumerate(environment.flows):
        yield from _twice(flow.ports, ("flows", index, "ports"), (), "port")
    yield from _twice(environment.bastion.admin_networks, ("bastion", "admin_networks"), (), "prefix")
    yield from _twice([q.name for q in environment.quota_profiles], ("quota_profiles",), ("name",), "quota profile")
    yield from _twice([(c.role, c.email) for c in environment.contacts], ("contacts",), (), "contact")


def unique_tenants(environment: Environment) -> Iterator[Finding]:
    """No two tenants have the same code or name, and nothing within a tenant stands twice."""
    tenants = environment.tenants
    yield from _twice([t.code for t in tenants], ("tenants",), ("code",), "tenant code")
    yield from _twice([t.dti_code for t in tenants], ("tenants",), ("dti_code",), "agency code")
    yield from _twice([t.name.vi for t in tenants], ("tenants",), ("name", "vi"), "Vietnamese name")
    yield from _twice([t.name.en for t in tenants], ("tenants",), ("name", "en"), "English name")
    sets: list[tuple[Path_, Environment | object]] = [(("tenants", index), tenant) for index, tenant in enumerate(tenants)]
    for path, holder in (*sets, (("tenant_defaults",), environment.tenant_defaults)):
        yield from _within(path, holder)


def _within(path: Path_, holder: object) -> Iterator[Finding]:
    for key, part, what in (
        ("zones", None, "zone"),
        ("regions", None, "region"),
        ("projects", "code", "project"),
        ("groups", "name", "group"),
    ):
        entries = getattr(holder, key, ())
        values = [getattr(entry, part) if part else entry for entry in entries]
        yield from _twice(values, (*path, key), (part,) if part else (), what)
    people = getattr(holder, "people", ())
    yield from _twice([person.federated_id for person in people], (*path, "people"), ("federated_id",), "person")
    for index, group in enumerate(getattr(holder, "groups", ())):
        yield from _twice(group.projects, (*path, "groups", index, "projects"), (), "project")
    for index, person in enumerate(people):
        yield from _twice(person.groups, (*path, "people", index, "groups"), (), "group")
    contacts = getattr(holder, "contacts", ())
    yield from _twice([(c.role, c.email) for c in contacts], (*path, "contacts"), (), "contact")


def reserved(environment: Environment) -> Iterator[Finding]:
    """Names that the platform keeps for itself are not given to others."""
    for index, tenant in enumerate(environment.tenants):
        yield from _kept(tenant.code, RESERVED_OWNERS, ("tenants", index, "code"))
        for place, project in enumerate(tenant.projects):
            yield from _kept(project.code, RESERVED_PROJECTS, ("tenants", index, "projects", place, "code"))
        for place, group in enumerate(tenant.groups):
            yield from _kept(group.name, RESERVED_GROUPS, ("tenants", index, "groups", place, "name"))
    for place, project in enumerate(environment.tenant_defaults.projects):
        yield from _kept(project.code, RESERVED_PROJECTS, ("tenant_defaults", "projects", place, "code"))
    for place, group in enumerate(environment.tenant_defaults.groups):
        yield from _kept(group.name, RESERVED_GROUPS, ("tenant_defaults", "groups", place, "name"))
    peers = {WORLD, *zones()}
    for index, destination in enumerate(environment.destinations):
        yield from _kept(destination.name, peers, ("destinations", index, "name"))
    services = peers | {destination.name for destination in environment.destinations}
    for index, service in enumerate(environment.shared_services):
        yield from _kept(service.name, services, ("shared_services", index, "name"))


def mailbox(environment: Environment) -> Iterator[Finding]:
    """The first contact, whom DNS zones name, has a mail address that Designate takes."""
    address = environment.contacts[0].email
    if not all(_MAIL_PART.fullmatch(part) for part in re.split("[@.]", address)):
        yield Finding(
            ("contacts", 0, "email"),
            "email: no DNS zone can have this address",
            "zones name the first contact; Designate takes letters, digits, '_' and '-' with dots between",
            "name another address first, such as that of an office",
        )


def _kept(name: str, names: Iterable[str], path: Path_) -> Iterator[Finding]:
    if name in names:
        taken = sorted(names)
        listed = ", ".join(taken[:_LONGEST_SHOWN]) + (", ..." if len(taken) > _LONGEST_SHOWN else "")
        yield Finding(
            path, f"{path[-1]} {name!r} is reserved", f"kept for the landing zone itself or taken: {listed}", "choose another name"
        )


def _twice(values: Iterable[Hashable], path: Path_, leaf: Path_, what: str) -> Iterator[Finding]:
    """One finding for each value that stood before; `path` leads to the list, `leaf` from an entry to the value."""
    first: dict[Hashable, int] = {}
    for index, value in enumerate(values):
        if value in first:
            here = (*path, index, *leaf)
            named = leaf[-1] if leaf else path[-1]
            why = f"entry {first[value]} of {path[-1]} has it already (entries count from 0)"
            yield Finding(here, f"{named}: the {what} stands twice", why, f"give each {what} once, or choose another")
        else:
            first[value] = index


RULES: tuple[Callable[[Environment], Iterator[Finding]], ...] = (unique, unique_tenants, reserved, mailbox)
