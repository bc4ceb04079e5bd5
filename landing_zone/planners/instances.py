"""The instances that the landing zone itself makes: the bastion, and the probes that prove the flow matrix with packets."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

from landing_zone.model.ends import End
from landing_zone.model.environment import Environment, Region, Tenant
from landing_zone.model.levels import zones
from landing_zone.planners import flows
from landing_zone.planners.addresses import BASTION, PROBE, Pair, RegionAddresses, fixed
from landing_zone.planners.names import PLATFORM, group, name, tags
from landing_zone.planners.plan import AccessLayer, FlowCheck, InstanceSpec, ProbesLayer, Way

HOME = "management"
_ZONE_CONTROL = "NET-02"
_TENANT_CONTROL = "NET-04"
_ENTRY_CONTROL = "IAM-09"
_SSH = Way("tcp", flows.SSH)
_ICMP = Way("icmp", 0)


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
        addresses=fixed(network, addresses.platform.zones[HOME], BASTION),
        security_groups=(whole,),
        flavor=bastion.flavor,
        image=bastion.image,
        user=bastion.user,
        availability_zone=region.availability_zones[0],
        floating=True,
        description="The only way in",
        tags=tags(code, environment.level, PLATFORM, HOME),
    )
    return AccessLayer(instance)


def probes(environment: Environment, region: Region, addresses: RegionAddresses, bastion: InstanceSpec) -> ProbesLayer:
    """A probe in every platform zone and in every tenant network, and the connections between them that must and must not be."""
    if environment.verification.probes == "none":
        return ProbesLayer((), ())
    spots = [
        _Spot(None, zone, pair, name(environment.code, PLATFORM, zone), environment.level, None)
        for zone, pair in addresses.platform.zones.items()
    ]
    for tenant in _probed(environment, addresses):
        block = addresses.tenants[tenant.code]
        project = name(environment.code, tenant.code, environment.projects_for(tenant)[0].code)
        spots += [_Spot(tenant.code, zone, pair, project, tenant.level, tenant.enclave) for zone, pair in block.zones.items()]
    enclaves = {enclave.code: enclave.availability_zone for enclave in environment.enclaves}
    instances = tuple(_probe(environment, region, spot, enclaves.get(spot.enclave or "", region.availability_zones[0])) for spot in spots)
    return ProbesLayer(instances, tuple(_checks(environment, spots, instances, bastion)))


def _probed(environment: Environment, addresses: RegionAddresses) -> list[Tenant]:
    """The tenants of a region that get probes: all, or for a sample the first and the last by code."""
    here = sorted((tenant for tenant in environment.tenants if tenant.code in addresses.tenants), key=lambda tenant: tenant.code)
    if environment.verification.probes == "sample":
        return here[:1] + here[1:][-1:]
    return here


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
    forbidden = environment.verification.forbidden_port
    listens = {Way("tcp", forbidden), Way("udp", forbidden)}
    for opening in flows.openings(environment):
        if opening.protocol != "icmp" and _lets(opening.target, spot):
            listens.update(Way(opening.protocol, port) for port in opening.ports or ())
    whole = f"{network}-probe"
    return InstanceSpec(
        name=whole,
        hostname=f"{whole}-{region.name}",
        project=spot.project,
        zone=spot.zone,
        tenant=spot.tenant,
        network=network,
        addresses=fixed(network, spot.pair, PROBE),
        security_groups=tuple(group(environment.code, owner, zone) for zone in (None, spot.zone)),
        flavor=environment.verification.flavor,
        image=environment.verification.image,
        user=environment.verification.user,
        availability_zone=availability_zone,
        listens=tuple(sorted(listens)),
        description="Proves the flow matrix with packets",
        tags=tags(environment.code, spot.level, owner, spot.zone),
    )


def _lets(side: End, spot: _Spot) -> bool:
    """Whether one end of a flow stands for a spot."""
    if side.kind != "zone" or side.name != spot.zone:
        return False
    if zones()[spot.zone].scope == "platform":
        return spot.tenant is None
    return side.tenant in (None, spot.tenant)


def _checks(
    environment: Environment, spots: list[_Spot], instances: tuple[InstanceSpec, ...], bastion: InstanceSpec
) -> Iterator[FlowCheck]:
    placed = list(zip(spots, instances, strict=True))
    for here, target in placed:
        ways = {source.name: dict(_ways(environment, there, here)) for there, source in placed if source is not target}
        open_to = {way: name for name, each in ways.items() for way in each}
        to_target = _Checks(target, environment.verification.forbidden_port, bastion, open_to)
        yield from to_target.allowed(bastion, _SSH, _ENTRY_CONTROL, "the bastion reaches every instance")
        yield from to_target.stopped(bastion, {_SSH}, _ZONE_CONTROL, "no flow permits it")
        for there, source in placed:
            if source is target:
                continue
            if _apart(there, here):
                yield from to_target.no_entry(source, _TENANT_CONTROL, "two tenants never meet")
                yield from to_target.stopped(source, (), _TENANT_CONTROL, "two tenants never meet")
                continue
            yield from to_target.no_entry(source, _ENTRY_CONTROL, "administration comes from the bastion only")
            for way, reason in ways[source.name].items():
                yield from to_target.allowed(source, way, _ZONE_CONTROL, reason)
            yield from to_target.stopped(source, ways[source.name], _ZONE_CONTROL, "no flow permits it")


def _apart(one: _Spot, other: _Spot) -> bool:
    """Whether two spots belong to different tenants."""
    return one.tenant is not None and other.tenant is not None and one.tenant != other.tenant


def _ways(environment: Environment, source: _Spot, target: _Spot) -> Iterator[tuple[Way, str]]:
    """Every flow that lets one spot reach another, at its first and at its last port, with its reason."""
    for opening in flows.openings(environment):
        if not _apart(source, target) and _lets(opening.source, source) and _lets(opening.target, target):
            yield from ((Way(opening.protocol, port), opening.reason) for port in opening.ports or (_ICMP.port,))


@dataclass(frozen=True)
class _Checks:
    """Checks of connections to one target, to its addresses of both families. `open_to`: who may come, one name for each way."""

    target: InstanceSpec
    forbidden_port: int
    bastion: InstanceSpec
    open_to: Mapping[Way, str]

    def allowed(self, source: InstanceSpec, way: Way, control: str, reason: str) -> Iterator[FlowCheck]:
        return self._check(source, way, True, control, reason)

    def stopped(self, source: InstanceSpec, ways: Collection[Way], control: str, reason: str) -> Iterator[FlowCheck]:
        """What may not pass: the ways on which others may come, and to a source that has `ways` of its own what nobody may."""
        never = (Way("tcp", self.forbidden_port), Way("udp", self.forbidden_port), _ICMP) if ways else ()
        for way in dict.fromkeys((*self.open_to, *never)):
            if way not in ways:
                yield from self._check(source, way, False, control, reason)

    def no_entry(self, source: InstanceSpec, control: str, reason: str) -> Iterator[FlowCheck]:
        return self._check(source, _SSH, False, control, reason)

    def _check(self, source: InstanceSpec, way: Way, allowed: bool, control: str, reason: str) -> Iterator[FlowCheck]:
        positive = source.name if allowed else {_SSH: self.bastion.name, **self.open_to}.get(way, "")
        key = f"{source.name}--{self.target.name}--{way.protocol}-{way.port}"
        for mark, (_, address) in zip(("", "-v6"), self.target.addresses, strict=True):
            yield FlowCheck(f"{key}{mark}", source.name, self.target.name, *way, address, allowed, positive, control, reason)
