"""How many address slots an environment has: the arithmetic that the rules and the address planner share."""

from __future__ import annotations

from landing_zone.model.environment import Environment

TRANSIT_FIRST_TENANT = 16
"""Number of the host on the transit network that the router of slot 0 would have; lower ones are the platform's."""


def slot_range(environment: Environment) -> range:
    """Numbers of the slots that tenants can have: behind the platform's block, up to the end of all; empty when there are none."""
    first = platform_slots(environment)
    return range(first, max(first, slots_end(environment)))


def platform_slots(environment: Environment) -> int:
    """How many slots the platform's block takes; in both address families as many as in the one where it takes more."""
    sizes = environment.addressing
    return max(1 << max(0, sizes.tenant_ipv4 - sizes.platform_ipv4), 1 << max(0, sizes.tenant_ipv6 - sizes.platform_ipv6))


def slots_end(environment: Environment) -> int:
    """The number behind the last slot.

    It is where the smallest supernet of all regions ends, or where the transit network, half of the platform's IPv4 block, has no
    address left for another router.
    """
    sizes = environment.addressing
    transit_hosts = (1 << (32 - sizes.platform_ipv4 - 1)) - 1
    ends = [transit_hosts - TRANSIT_FIRST_TENANT]
    for region in environment.regions:
        ends.append(1 << max(0, sizes.tenant_ipv4 - region.addresses.ipv4.prefixlen))
        ends.append(1 << max(0, sizes.tenant_ipv6 - region.addresses.ipv6.prefixlen))
    return min(ends)
