"""Everything that `lz verify` tries, region by region."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor

from keystoneauth1.exceptions import ClientException
from openstack.exceptions import SDKException

from foundation.errors import Problem, raise_all
from landing_zone import inventory
from landing_zone.engine.credentials import as_machine
from landing_zone.engine.runs import Run, Selection
from landing_zone.engine.stack import StackKey
from landing_zone.planners.plan import FlowCheck, RegionPlan, TenantPlan
from landing_zone.planners.shares import PROBES, TENANT, share
from landing_zone.proof import credentials, entry, isolation, packets
from landing_zone.proof.results import Result, Verdict
from landing_zone.ssh import hosts, pinning


def verify(run: Run, regions: Iterable[str], part: Selection, *, keep_probes: bool = False) -> list[Result]:
    """Try everything out that has to do with a part of the given regions.

    The probes are removed at the end, come what may, unless they are to be kept.
    """
    chosen = list(regions)
    require_standing(run, chosen)
    probes = [StackKey(run.plan.code, region, PROBES) for region in chosen if run.plan.regions[region].probes.instances]
    try:
        run.apply(run.previews(probes))
        pin(run, chosen)
        with ThreadPoolExecutor(max_workers=len(chosen)) as pool:
            return [result for each in pool.map(lambda region: _region(run, run.plan.regions[region], part), chosen) for result in each]
    finally:
        if not keep_probes:
            remove_probes(run, chosen)


def pin(run: Run, regions: Iterable[str]) -> None:
    """Pin the host keys of all instances that stand, and write the ssh_config with which each is reached."""
    chosen = list(regions)
    home = run.stacks.home
    found = inventory.hosts(run.plan, run.stacks, chosen)
    newly = pinning.pin(home, found, lambda region: run.connections[region])
    if newly:
        run.say(f"pinned the host keys of {', '.join(host.name for host in newly)} from their console logs")
    hosts.renew(home, run.plan.code, inventory.hosts(run.plan, run.stacks, run.plan.regions))


def remove_probes(run: Run, regions: Iterable[str]) -> None:
    """Remove the probes' stacks and forget their host keys."""
    chosen = frozenset(regions)
    run.remove(run.standing(Selection(regions=chosen, layers=frozenset({PROBES}))))
    pinning.unpin(run.stacks.home, [spec.hostname for region in chosen for spec in run.plan.regions[region].probes.instances])


def require_standing(run: Run, regions: Iterable[str]) -> None:
    """InputError when a region, or something in it that the probes stand in, has not been brought up."""
    raise_all(
        Problem(f"region {region} is not up", why=why, cure=f"lz up --env {run.plan.called} --region {region}")
        for region in regions
        if (why := _lacking(run, region))
    )


def _lacking(run: Run, region: str) -> str:
    """What of a region is planned but not there yet; "" when all of it is."""
    made = {layer: run.stacks.outputs(StackKey(run.plan.code, region, layer)) for step in run.plan.regions[region].order for layer in step}
    if not made["access"].get("bastion"):
        return "its bastion is not there yet"
    needed = share(run.plan, region, PROBES).owners.items() if run.plan.regions[region].probes.instances else ()
    layers = sorted({layer for (kind, name), layer in needed if name not in made[layer].get("ids", {}).get(kind, {})})
    return f"not there yet, or not in full: {', '.join(layers)}" if layers else ""


def _region(run: Run, region: RegionPlan, part: Selection) -> list[Result]:
    home = run.stacks.home
    bastion = region.access.bastion
    instances = {spec.name: spec for spec in (bastion, *region.probes.instances)}
    results, problems = packets.try_all(home, instances, concerned(region, part), region.name)
    for name, problem in problems.items():
        run.say(f"{region.name}: {name}: {problem}")
    way_in = next(one for one in inventory.hosts(run.plan, run.stacks, [region.name]) if one.through is None)
    entered = entry.check(home, run.plan.code, way_in) if part.has(region.name, "access") else ()
    return [*entered, *results, *untried(region, part), *_isolation(run, region, part), *_credentials(run, region, part)]


def untried(region: RegionPlan, part: Selection) -> Iterator[Result]:
    """Where there are no probes, that nothing is known of the connections between zones, instead of nothing at all."""
    layers = ("network", *(f"{TENANT}{code}" for code in region.tenants))
    if not region.probes.instances and any(part.has(region.name, layer) for layer in layers):
        what = "what flows permit passes between zones, and nothing else does"
        yield Result("NET-02", region.name, what, Verdict.UNKNOWN, "`verification.probes` is none: nothing stands there to try it from")


def concerned(region: RegionPlan, part: Selection) -> list[FlowCheck]:
    """The connections of which one end at least belongs to the part: a tenant's, the bastion, or one in a platform network."""
    layers = {spec.name: f"{TENANT}{spec.tenant}" if spec.tenant else "network" for spec in region.probes.instances}
    layers[region.access.bastion.name] = "access"
    return [check for check in region.probes.checks if any(part.has(region.name, layers[end]) for end in (check.source, check.target))]


def _isolation(run: Run, region: RegionPlan, part: Selection) -> Iterator[Result]:
    """Each tenant looks at what it may list of all others, and by single calls at the next: the work grows with the tenants, not
    with their pairs."""
    tenants = [region.tenants[code] for code in sorted(region.tenants)]
    if len(tenants) < 2:
        return
    ids = {tenant.code: _ids(run, region, tenant) for tenant in tenants}
    for tenant, other in zip(tenants, [*tenants[1:], tenants[0]], strict=True):
        if not any(part.has(region.name, f"{TENANT}{one.code}") for one in (tenant, other)):
            continue
        try:
            user = tenant.identity.machine_users[0]
            connection = as_machine(run, region, user, user.project)
            connection.authorize()
        except (ClientException, SDKException) as error:
            what = f"{tenant.code} cannot see other tenants by the API"
            yield Result("NET-04", region.name, what, Verdict.UNKNOWN, f"{tenant.code} cannot sign in: {error}")
            continue
        yield from isolation.check(connection, region.name, tenant.code, other.code, ids)


def _credentials(run: Run, region: RegionPlan, part: Selection) -> Iterator[Result]:
    """What tenants' programs sign in with, for each tenant of the part."""
    for code in sorted(region.tenants):
        if part.has(region.name, f"{TENANT}{code}"):
            tenant = region.tenants[code]
            ids = _ids(run, region, tenant)
            yield from credentials.check_tenant(run.connections[region.name], run.stacks.home, region.name, tenant, ids)


def _ids(run: Run, region: RegionPlan, tenant: TenantPlan) -> isolation.Ids:
    """What the tenant's stack gives out, by kind and name; nothing when it does not stand."""
    found: isolation.Ids = run.stacks.outputs(StackKey(run.plan.code, region.name, f"{TENANT}{tenant.code}")).get("ids", {})
    return found
