"""The instances that the landing zone itself makes: the bastion, and the probes that prove the flow matrix with packets."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from landing_zone.model.environment import Environment, Region
from landing_zone.model.levels import zones
from landing_zone.planners import flows
from landing_zone.planners.addresses import BASTION, PROBE, Pair, RegionAddresses
from landing_zone.planners.names import PLATFORM, name, tags
from landing_zone.planners.plan import AccessLayer, FlowCheck, InstanceSpec, ProbesLayer

HOME = "management"
_ZONE_CONTROL = "NET-02"
_TENANT_CONTROL = "NET-04"
_ENTRY_CONTROL = "IAM-09"


def access(environment: Environment, region: Region, addresses: RegionAddresses) -> AccessLayer:
    """The bastion of a region."""
    code = environment.code
    bastion = environment.bastion
    whole = name(code, PLATFORM, "bastion")
    network = name(code, PLATFORM, HOME)
    instance = InstanceSpec(
        name=whole,
        hostname=f"{whole}-{region.name}",
        project=network,
        zone=HOME,
        tenant=None,
        network=network,
        addresses=_addresses(network, addresses.platform.zones[HOME], BASTION),
        security_groups=(whole,),
        flavor=bastion.flavor,
        image=bastion.image,
        user=bastion.user,
        availability_zone=region.availability_zones[0],
        floating=True,
        description="The only way in",
        tags=tags(code, environment.level, PLATFORM, HOME),
    )
    return AccessLayer(instance, tuple(str(prefix) for prefix in bastion.admin_networks), flows.SSH)


def probes(environment: Environment, region: Region, addresses: RegionAddresses, bastion: InstanceSpec) -> ProbesLayer:
    """A probe in the management zone and in every tenant network, and the connections between them that must and must not be."""
    if environment.verification.probes == "none":
        return ProbesLayer((), ())
    spots = [_Spot(None, HOME, addresses.platform.zones[HOME], name(environment.code, PLATFORM, HOME), environment.level, None)]
    for tenant in environment.tenants:
        block = addresses.tenants.get(tenant.code)
        if block is None:
            continue
        project = name(environment.code, tenant.code, environment.projects_for(tenant)[0].code)
        spots += [_Spot(tenant.code, zone, pair, project, tenant.level, tenant.enclave) for zone, pair in block.zones.items()]
    enclaves = {enclave.code: enclave.availability_zone for enclave in environment.enclaves}
    instances = tuple(_probe(environment, region, spot, enclaves.get(spot.enclave or "", region.availability_zones[0])) for spot in spots)
    return ProbesLayer(instances, tuple(_checks(environment, spots, instances, bastion)))


@dataclass(frozen=True)
class _Spot:
    tenant: str | None
    zone: str
    pair: Pair
    project: str
    level: int
    enclave: str | None


def _probe(environment: Environment, region: Region, spot: _Spot, availability_zone: str) -> InstanceSpec:
    owner = spot.tenant or PLATFORM
    network = name(environment.code, owner, spot.zone)
    ports = {environment.verification.forbidden_port}
    for opening in flows.openings(environment):
        if opening.protocol == "tcp" and opening.ports and _lets(opening.target, spot):
            ports.add(opening.ports[0])
    whole = f"{network}-probe"
    return InstanceSpec(
        name=whole,
        hostname=f"{whole}-{region.name}",
        project=spot.project,
        zone=spot.zone,
        tenant=spot.tenant,
        network=network,
        addresses=_addresses(network, spot.pair, PROBE),
        security_groups=(network,),
        flavor=environment.verification.flavor,
        image=environment.verification.image,
        user=environment.verification.user,
        availability_zone=availability_zone,
        listens=tuple(sorted(ports)),
        description="Proves the flow matrix with packets",
        tags=tags(environment.code, spot.level, owner, spot.zone),
    )


def _lets(side: flows.End, spot: _Spot) -> bool:
    """Whether one end of a flow stands for a spot."""
    if side.kind != "zone" or side.name != spot.zone:
        return False
    if zones()[spot.zone].scope == "platform":
        return spot.tenant is None
    return side.tenant in (None, spot.tenant)


def _checks(
    environment: Environment, spots: list[_Spot], instances: tuple[InstanceSpec, ...], bastion: InstanceSpec
) -> Iterator[FlowCheck]:
    forbidden = environment.verification.forbidden_port
    openings = [opening for opening in flows.openings(environment) if opening.protocol == "tcp" and opening.ports]
    pairs = list(zip(spots, instances, strict=True))
    for to_spot, target in pairs:
        yield _check(bastion, target, flows.SSH, True, bastion.name, _ENTRY_CONTROL, "the bastion reaches every instance")
        yield _check(bastion, target, forbidden, False, "", _ZONE_CONTROL, "no flow permits it")
        for from_spot, source in pairs:
            if source is target:
                continue
            same = from_spot.tenant == to_spot.tenant
            if not same and from_spot.tenant and to_spot.tenant and from_spot.zone != to_spot.zone:
                continue
            if not same and to_spot.tenant and from_spot.tenant:
                yield _check(source, target, flows.SSH, False, bastion.name, _TENANT_CONTROL, "two tenants never meet")
                continue
            yield _check(source, target, flows.SSH, False, bastion.name, _ENTRY_CONTROL, "administration comes from the bastion only")
            open_here = [o for o in openings if _lets(o.source, from_spot) and _lets(o.target, to_spot)]
            for opening in open_here:
                assert opening.ports
                yield _check(source, target, opening.ports[0], True, source.name, _ZONE_CONTROL, opening.reason)
            if open_here:
                yield _check(source, target, forbidden, False, "", _ZONE_CONTROL, "no flow permits it")


def _check(source: InstanceSpec, target: InstanceSpec, port: int, allowed: bool, positive: str, control: str, reason: str) -> FlowCheck:
    address = target.addresses[0][1]
    key = f"{source.name}--{target.name}--{port}"
    return FlowCheck(key, source.name, target.name, "tcp", port, address, allowed, positive, control, reason)


def _addresses(network: str, pair: Pair, number: int) -> tuple[tuple[str, str], ...]:
    v4, v6 = pair.hosts(number)
    return (f"{network}-v4", str(v4)), (f"{network}-v6", str(v6))
