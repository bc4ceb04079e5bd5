"""How many address slots an environment has: the arithmetic that the rules and the address planner share."""

from __future__ import annotations

from landing_zone.model.environment import Environment

TRANSIT_FIRST_TENANT = 16
"""Number of the host on the transit network that the router of slot 0 would have; lower ones are the platform's."""


def slot_range(environment: Environment) -> range:
    """Numbers of the slots that tenants can have.

    They start behind the platform's block and end with the smallest supernet of all regions, or where the transit network, half of
    the platform's IPv4 block, has no address left for another router.
    """
    sizes = environment.addressing
    first = max(2 ** max(0, sizes.tenant_ipv4 - sizes.platform_ipv4), 2 ** max(0, sizes.tenant_ipv6 - sizes.platform_ipv6))
    transit_hosts = 2 ** (32 - sizes.platform_ipv4 - 1) - 1
    ends = [transit_hosts - TRANSIT_FIRST_TENANT]
    for region in environment.regions:
        ends.append(2 ** max(0, sizes.tenant_ipv4 - region.addresses.ipv4.prefixlen))
        ends.append(2 ** max(0, sizes.tenant_ipv6 - region.addresses.ipv6.prefixlen))
    return range(first, max(first, min(ends)))
