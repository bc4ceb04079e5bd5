"""Puts the planners together: one environment in, one plan and the ledger after it out."""

from __future__ import annotations

from collections.abc import Iterable

from landing_zone.model.environment import Environment, Region, Tenant
from landing_zone.planners import addresses, identity, instances, network, quotas
from landing_zone.planners.ledger import Ledger, assign
from landing_zone.planners.names import PLATFORM, tags
from landing_zone.planners.plan import AccessLayer, Demand, EnvironmentPlan, IdentitySpec, NetworkLayer, ProbesLayer, RegionPlan, TenantPlan

_SERVICES = ("identity", "image", "compute", "network", "block-storage", "object-store", "load-balancer", "dns", "key-manager")


def plan(environment: Environment, ledger: Ledger | None = None) -> EnvironmentPlan:
    """The plan of an environment, with the ledger that must be kept for the next time.

    `environment` has been checked by `landing_zone.model.load`. The same environment and ledger give the same plan. Raises
    ValueError when the ledger was written for supernets cut in another way, or has no room.
    """
    kept = checked_ledger(environment, ledger or Ledger())
    regions = {region.name: _region(environment, region, kept) for region in environment.regions}
    name = environment.name
    return EnvironmentPlan(environment.code, name.vi, name.en, environment.klass, environment.level, environment.stage, regions, kept)


def checked_ledger(environment: Environment, ledger: Ledger) -> Ledger:
    """The ledger with slots for all tenants of the environment. Raises ValueError as `plan` does."""
    cut = addresses.layout(environment)
    if ledger.layout not in ("", cut):
        raise ValueError(f"the ledger was written for {ledger.layout}, the environment has {cut}")
    wanted = {tenant.code: tenant.size for tenant in environment.tenants}
    given = assign(ledger, wanted, addresses.slot_range(environment))
    return Ledger(cut, given.slots, given.retired)


def _region(environment: Environment, region: Region, ledger: Ledger) -> RegionPlan:
    given = addresses.plan_region(environment, region, ledger)
    layer = network.platform(environment, region, given)
    people = identity.platform(environment, layer)
    access = instances.access(environment, region, given)
    probes = instances.probes(environment, region, given, access.bastion)
    tenants = {tenant.code: _tenant(environment, region, given, tenant) for tenant in environment.tenants if tenant.code in given.tenants}
    return RegionPlan(
        name=region.name,
        cloud=region.cloud,
        role=region.role,
        external_network=region.external_network,
        availability_zones=region.availability_zones,
        identity=people,
        network=layer,
        access=access,
        probes=probes,
        tenants=tenants,
        demand=_demand(people, layer, access, probes, tenants.values()),
        tags=tags(environment.code, environment.level, PLATFORM),
    )


def _tenant(environment: Environment, region: Region, given: addresses.RegionAddresses, tenant: Tenant) -> TenantPlan:
    layer = network.tenant(environment, region, given, tenant)
    return TenantPlan(
        code=tenant.code,
        name_vi=tenant.name.vi,
        name_en=tenant.name.en,
        level=tenant.level,
        enclave=tenant.enclave,
        identity=identity.tenant(environment, tenant, layer),
        network=layer,
        tags=tags(environment.code, tenant.level, tenant.code),
    )


def _demand(people: IdentitySpec, layer: NetworkLayer, access: AccessLayer, probes: ProbesLayer, tenants: Iterable[TenantPlan]) -> Demand:
    all_tenants = tuple(tenants)
    identities = (people, *(tenant.identity for tenant in all_tenants))
    servers = (access.bastion, *probes.instances)
    made = (quotas.created(layer, servers), *(quotas.created(tenant.network, ()) for tenant in all_tenants))
    return Demand(
        quota=quotas.total(project.quota for each in identities for project in each.projects),
        created=quotas.total(made),
        domains=sum(len(each.domains) for each in identities),
        projects=sum(len(each.projects) for each in identities),
        flavors=tuple(sorted({server.flavor for server in servers})),
        images=tuple(sorted({server.image for server in servers})),
        services=_SERVICES,
    )
