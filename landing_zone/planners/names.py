"""One naming scheme for everything: ENVIRONMENT-OWNER-THING, lower case, in ASCII.

Codes have no hyphen (see `landing_zone.model.fields.Code`), so that different parts never join to the same name. The longest
name stays within what every service takes: 63 characters for host names, 64 for Keystone domains, projects and groups.
"""

from __future__ import annotations

from landing_zone.model.platform import PLATFORM

LONGEST = 63


def name(environment: str, owner: str, *thing: str) -> str:
    """The name of a thing of `owner`, a tenant's code or PLATFORM. Raises ValueError when it is longer than any service takes."""
    whole = "-".join((environment, owner, *thing))
    if len(whole) > LONGEST:
        raise ValueError(f"{whole} has {len(whole)} characters, {LONGEST} are the most")
    return whole


def group(environment: str, owner: str, zone: str | None) -> str:
    """The security group of an owner's zone; without one that in which all of its instances are beside it. Raises ValueError as `name`."""
    return name(environment, owner, zone or "base")


def dns_zone(owner: str, region: str, domain: str) -> str:
    """The DNS zone of `owner` in a region, with the final dot; zones of two owners are never nested."""
    return f"{owner}.{region}.{domain}."


def tags(environment: str, level: int, owner: str, zone: str | None = None) -> tuple[str, ...]:
    """Tags by which everything of the landing zone is found again: at most 60 characters each, no comma, no slash."""
    named = (f"lz-environment={environment}", f"lz-level={level}", f"lz-owner={owner}")
    return (*named, f"lz-zone={zone}") if zone else named


__all__ = ["LONGEST", "PLATFORM", "dns_zone", "group", "name", "tags"]
