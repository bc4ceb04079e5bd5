"""The address and quota plan alone: what an environment needs, in a fraction of the time that its whole plan takes.

Tenants of the same shape (zones, projects, flows of their own) have the same quotas; one tenant of each shape is planned in full.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Mapping
from dataclasses import dataclass

from landing_zone.model.environment import Environment, Region, Tenant
from landing_zone.planners import identity, network, quotas
from landing_zone.planners.addresses import RegionAddresses, plan_region
from landing_zone.planners.build import checked_ledger
from landing_zone.planners.flows import RuleBook, openings
from landing_zone.planners.ledger import Ledger
from landing_zone.planners.plan import IdentitySpec, QuotaSpec


@dataclass(frozen=True)
class RegionCapacity:
    """What one region needs: the address plan, and the sum of all quotas (`Demand.quota` of the whole plan)."""

    addresses: RegionAddresses
    quota: QuotaSpec
    projects: int


def plan_capacity(environment: Environment, ledger: Ledger | None = None) -> tuple[Mapping[str, RegionCapacity], Ledger]:
    """Addresses and quotas by region, and the ledger after it. Raises LedgerError as `landing_zone.planners.plan` does."""
    kept = checked_ledger(environment, ledger or Ledger())
    return {region.name: _region(environment, region, kept) for region in environment.regions}, kept


def _region(environment: Environment, region: Region, ledger: Ledger) -> RegionCapacity:
    addresses = plan_region(environment, region, ledger)
    book = RuleBook(environment, region, addresses)
    people = identity.platform(environment, network.platform(environment, region, addresses, book))
    special = {end.tenant for opening in openings(environment) for end in (opening.source, opening.target) if end.tenant}
    here = [tenant for tenant in environment.tenants if tenant.code in addresses.tenants]
    counted: Counter[Hashable] = Counter()
    examples: dict[Hashable, Tenant] = {}
    for tenant in here:
        shape = _shape(environment, tenant, special)
        counted[shape] += 1
        examples.setdefault(shape, tenant)
    sums = [(_quota(people), 1)]
    projects = len(people.projects)
    for shape, tenant in examples.items():
        own = identity.tenant(environment, tenant, network.tenant(environment, region, addresses, book, tenant))
        sums.append((_quota(own), counted[shape]))
        projects += counted[shape] * len(own.projects)
    return RegionCapacity(addresses, quotas.total(sums), projects)


def _shape(environment: Environment, tenant: Tenant, special: set[str]) -> Hashable:
    """What decides about the quotas of a tenant."""
    own = tenant.code if tenant.code in special else None
    return environment.zones_for(tenant), tuple(project.quota for project in environment.projects_for(tenant)), own


def _quota(people: IdentitySpec) -> QuotaSpec:
    return quotas.total((project.quota, 1) for project in people.projects)
