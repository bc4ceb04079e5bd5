"""The address plan: which prefix every zone of every owner has in every region, in both address families.

The platform has the first block of a supernet, the rest is cut into numbered slots; a tenant has the same slot (or run of slots)
in every region and both families, and every zone has its fixed place in a block. A ledger remembers slots, so that nobody's
prefix moves when others come and go; the slots of a removed tenant stay retired until they are released.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import TypeVar

from landing_zone.model.environment import Environment, Region
from landing_zone.model.levels import zones
from landing_zone.planners.ledger import Ledger, Run

GATEWAY = 1
PROBE = 2
BASTION = 3
FIRST_PLATFORM_PORT = 32
FIRST_TENANT_PORT = 4
TRANSIT_HUB = 1
TRANSIT_INNER = 2
_TRANSIT_SLOT_V6 = 15

N = TypeVar("N", IPv4Network, IPv6Network)


@dataclass(frozen=True)
class Pair:
    """One prefix in each address family."""

    v4: IPv4Network
    v6: IPv6Network

    def hosts(self, number: int) -> tuple[IPv4Address, IPv6Address]:
        """The addresses of host `number` in both families."""
        return self.v4.network_address + number, self.v6.network_address + number

    @property
    def nets(self) -> tuple[IPv4Network, IPv6Network]:
        """Both prefixes."""
        return self.v4, self.v6

    @property
    def both(self) -> tuple[str, str]:
        """Both prefixes as text."""
        return str(self.v4), str(self.v6)


@dataclass(frozen=True)
class Block:
    """What one owner has in a region: a whole block, and a pair of subnets a zone. `slot`: its first, 0 for the platform."""

    whole: Pair
    zones: Mapping[str, Pair]
    slot: int = 0


@dataclass(frozen=True)
class RegionAddresses:
    """The address plan of one region."""

    supernet: Pair
    platform: Block
    transit: Pair
    tenants: Mapping[str, Block]


def layout(environment: Environment) -> dict[str, str]:
    """How the supernets are cut, and where each region's begin: while these stay, a slot has the same prefixes."""
    sizes = environment.addressing
    cut = (
        f"platform /{sizes.platform_ipv4} /{sizes.platform_ipv6}, platform zone /{sizes.platform_zone_ipv4}, "
        f"slot /{sizes.tenant_ipv4} /{sizes.tenant_ipv6}, zone /{sizes.zone_ipv4}"
    )
    begins = {
        f"region {region.name}": f"{region.addresses.ipv4.network_address} {region.addresses.ipv6.network_address}"
        for region in environment.regions
    }
    return {"sizes": cut, **begins}


def plan_region(environment: Environment, region: Region, ledger: Ledger) -> RegionAddresses:
    """The address plan of one region under a ledger that `assign` gave for this environment."""
    sizes = environment.addressing
    supernet = Pair(region.addresses.ipv4, region.addresses.ipv6)
    whole = Pair(_cut(supernet.v4, sizes.platform_ipv4, 0), _cut(supernet.v6, sizes.platform_ipv6, 0))
    names = environment.zone_names
    platform = Block(whole, {name: _zone(whole, name, sizes.platform_zone_ipv4) for name in names if zones()[name].scope == "platform"})
    transit = Pair(_cut(whole.v4, sizes.platform_ipv4 + 1, 1), _cut(whole.v6, 64, _TRANSIT_SLOT_V6))
    tenants: dict[str, Block] = {}
    for tenant in environment.tenants:
        if region.name not in environment.regions_for(tenant):
            continue
        run = ledger.slots[tenant.code]
        block = prefixes(environment, region, run)
        cut = {name: _zone(block, name, sizes.zone_ipv4 - _grown(run)) for name in environment.zones_for(tenant)}
        tenants[tenant.code] = Block(block, cut, run.start)
    return RegionAddresses(supernet, platform, transit, tenants)


def prefixes(environment: Environment, region: Region, run: Run) -> Pair:
    """The prefixes that a run of slots is in a region. Raises ValueError when it lies outside of the region's supernets."""
    sizes, index = environment.addressing, run.start // run.count
    return Pair(
        _cut(region.addresses.ipv4, sizes.tenant_ipv4 - _grown(run), index),
        _cut(region.addresses.ipv6, sizes.tenant_ipv6 - _grown(run), index),
    )


def fixed(network: str, pair: Pair, number: int) -> tuple[tuple[str, str], ...]:
    """The addresses of host `number` in the subnets of a network, (subnet name, address) each."""
    v4, v6 = pair.hosts(number)
    return (f"{network}-v4", str(v4)), (f"{network}-v6", str(v6))


def _grown(run: Run) -> int:
    """By how many bits a run of slots has shorter prefixes than one slot."""
    return run.count.bit_length() - 1


def _cut(net: N, length: int, index: int) -> N:
    """The `index`-th prefix of `length` in `net`. Raises ValueError outside of it."""
    if length < net.prefixlen or index >= 2 ** (length - net.prefixlen):
        raise ValueError(f"{net} has no prefix number {index} of length {length}")
    address = int(net.network_address) + (index << (net.max_prefixlen - length))
    return type(net)((address, length))


def _zone(block: Pair, zone: str, v4_length: int) -> Pair:
    slot = zones()[zone].slot
    return Pair(_cut(block.v4, v4_length, slot), _cut(block.v6, 64, slot))
