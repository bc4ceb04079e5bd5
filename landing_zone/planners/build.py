"""Puts the planners together: one environment in, one plan and the ledger after it out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

from foundation.errors import Problem, raise_all
from landing_zone.model.environment import Environment, Region, Tenant
from landing_zone.model.levels import LEVELS, figures
from landing_zone.model.slots import slot_range
from landing_zone.planners import addresses, identity, instances, network, quotas
from landing_zone.planners.flows import RuleBook
from landing_zone.planners.ledger import Ledger, LedgerError, assign
from landing_zone.planners.plan import (
    AccessLayer,
    Demand,
    EnvironmentPlan,
    IdentitySpec,
    NetworkLayer,
    ProbesLayer,
    RegionPlan,
    StateSpec,
    TenantPlan,
)

_KEYS = {"sizes": "addressing", "region": "regions.addresses"}
Figures = Mapping[int, Mapping[str, int | None]]
_SERVICES = ("identity", "image", "compute", "network", "block-storage", "object-store", "load-balancer", "dns", "key-manager")


def plan(environment: Environment, ledger: Ledger | None = None) -> EnvironmentPlan:
    """The plan of an environment, with the ledger that must be kept for the next time.

    `environment` has been checked by `landing_zone.model.load`. The same environment and ledger give the same plan. Raises
    LedgerError when the ledger was written for supernets cut in another way, a tenant would have to move, or there is no room.
    """
    kept = checked_ledger(environment, ledger or Ledger())
    by_level = {level: figures_at(environment, level) for level in LEVELS}
    regions = {region.name: _region(environment, region, kept, by_level) for region in environment.regions}
    name = environment.name
    return EnvironmentPlan(
        environment.code,
        name.vi,
        name.en,
        environment.klass,
        environment.level,
        environment.stage,
        figures_at(environment, environment.level),
        regions,
        kept,
        StateSpec(environment.state.backend, environment.state.url or ""),
        called=environment.code,
    )


def checked_ledger(environment: Environment, ledger: Ledger) -> Ledger:
    """The ledger with slots for all tenants of the environment. Raises LedgerError as `plan` does."""
    cut = addresses.layout(environment)
    moved = [key for key in sorted(cut) if ledger.layout.get(key, cut[key]) != cut[key]]
    if moved:
        cure = "put `addressing` and the regions' `addresses` back; to renumber on purpose, take the environment down and remove its ledger"
        raise LedgerError(
            *(
                Problem(
                    f"the address plan has changed: {key}", f"key {_KEYS[key.split()[0]]}", f"{ledger.layout[key]} became {cut[key]}", cure
                )
                for key in moved
            )
        )
    raise_all(_too_small(environment, ledger), LedgerError)
    wanted = {tenant.code: tenant.size for tenant in environment.tenants}
    return replace(assign(ledger, wanted, slot_range(environment)), layout={**ledger.layout, **cut})


def _too_small(environment: Environment, ledger: Ledger) -> Iterator[Problem]:
    """Supernets that end before slots which tenants have already: a tenant has the same in every region, also in one that is new."""
    known = {**ledger.retired, **ledger.slots}
    ends = {known[tenant.code].start + known[tenant.code].count: tenant.code for tenant in environment.tenants if tenant.code in known}
    if not ends:
        return
    end = max(ends)
    for index, region in enumerate(environment.regions):
        for family, slot in (("ipv4", environment.addressing.tenant_ipv4), ("ipv6", environment.addressing.tenant_ipv6)):
            net = getattr(region.addresses, family)
            longest = slot - (end - 1).bit_length()
            if net.prefixlen > longest:
                yield Problem(
                    f"region {region.name} is too small for address slots that have been given out",
                    f"key regions[{index}].addresses.{family}, value {net}",
                    f"it ends before slot {end - 1}, which tenant {ends[end]} has in every region; a slot is a /{slot}",
                    f"give region {region.name} an IPv{net.version} prefix of /{longest} or shorter",
                )


def _region(environment: Environment, region: Region, ledger: Ledger, by_level: Figures) -> RegionPlan:
    given = addresses.plan_region(environment, region, ledger)
    book = RuleBook(environment, region, given)
    layer = network.platform(environment, region, given, book)
    people = identity.platform(environment, layer)
    access = instances.access(environment, region, given)
    probes = instances.probes(environment, region, given, access.bastion)
    tenants = {
        tenant.code: _tenant(environment, region, given, book, tenant, by_level[tenant.level])
        for tenant in environment.tenants
        if tenant.code in given.tenants
    }
    return RegionPlan(
        name=region.name,
        cloud=region.cloud,
        cloud_region=region.called,
        role=region.role,
        counterpart=region.counterpart,
        external_network=region.external_network,
        availability_zones=region.availability_zones,
        identity=people,
        network=layer,
        access=access,
        probes=probes,
        tenants=tenants,
        demand=_demand(people, layer, access, probes, tenants.values()),
    )


def _tenant(
    environment: Environment,
    region: Region,
    given: addresses.RegionAddresses,
    book: RuleBook,
    tenant: Tenant,
    figures: Mapping[str, int | None],
) -> TenantPlan:
    layer = network.tenant(environment, region, given, book, tenant)
    return TenantPlan(
        code=tenant.code,
        dti_code=tenant.dti_code,
        name_vi=tenant.name.vi,
        name_en=tenant.name.en,
        level=tenant.level,
        enclave=tenant.enclave,
        availability_zones=_availability_zones(environment, region, tenant),
        volume_type=next((enclave.volume_type for enclave in environment.enclaves if enclave.code == tenant.enclave), None),
        figures=figures,
        identity=identity.tenant(environment, tenant, layer),
        network=layer,
    )


def figures_at(environment: Environment, level: int) -> dict[str, int | None]:
    """Every parameter at a level, the environment's own overrides taken in where they are not weaker."""
    return {key: environment.figure(key, level) for key in figures()}


def _availability_zones(environment: Environment, region: Region, tenant: Tenant) -> tuple[str, ...]:
    """Where a tenant's instances may run: its enclave's own zone, or those of no enclave (all, where a lab has one for both)."""
    own = next((enclave.availability_zone for enclave in environment.enclaves if enclave.code == tenant.enclave), None)
    if own is not None:
        return (own,)
    owned = {enclave.availability_zone for enclave in environment.enclaves}
    return tuple(zone for zone in region.availability_zones if zone not in owned) or region.availability_zones


def _demand(people: IdentitySpec, layer: NetworkLayer, access: AccessLayer, probes: ProbesLayer, tenants: Iterable[TenantPlan]) -> Demand:
    all_tenants = tuple(tenants)
    identities = (people, *(tenant.identity for tenant in all_tenants))
    servers = (access.bastion, *probes.instances)
    made = (quotas.created(layer, servers), *(quotas.created(tenant.network, ()) for tenant in all_tenants))
    return Demand(
        quota=quotas.total((project.quota, 1) for each in identities for project in each.projects),
        created=quotas.total((each, 1) for each in made),
        projects=sum(len(each.projects) for each in identities),
        routes=max(len(router.routes) for each in (layer, *(tenant.network for tenant in all_tenants)) for router in each.routers),
        flavors=tuple(sorted({server.flavor for server in servers})),
        images=tuple(sorted({server.image for server in servers})),
        services=_SERVICES,
    )
