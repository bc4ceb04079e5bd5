"""What must be right before the first create: every problem at once, each with its cure."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from email.utils import parsedate_to_datetime

from keystoneauth1.exceptions import ClientException
from openstack.connection import Connection
from openstack.exceptions import SDKException

from foundation.errors import Problem
from landing_zone.engine.clouds import Cloud, keystone
from landing_zone.engine.runs import Run, Selection
from landing_zone.engine.stack import StackKey
from landing_zone.planners.plan import RegionPlan

CLOCK_SECONDS = 5.0  # tokens, certificates and logs go wrong beyond that
# service types of the plan -> what the catalogue may call them
ALIASES = {
    "block-storage": ("block-storage", "volumev3", "volume"),
    "object-store": ("object-store", "object-storage"),
    "load-balancer": ("load-balancer", "load-balancing"),
    "key-manager": ("key-manager", "secret"),
}

Check = Callable[[RegionPlan, Connection], Iterator[Problem]]


def examine(run: Run) -> list[Problem]:
    """Every problem of the signed-in regions."""
    regions = [run.plan.regions[name] for name in run.connections]
    with ThreadPoolExecutor(max_workers=max(1, len(regions))) as pool:
        found = pool.map(lambda region: list(_region(run, region, run.connections[region.name])), regions)
    return [problem for part in found for problem in part]


def _region(run: Run, region: RegionPlan, connection: Connection) -> Iterator[Problem]:
    for check in (services, outer_network, flavors, images, roles):
        try:
            yield from check(region, connection)
        except (SDKException, ClientException) as error:
            what = f"region {region.name}: {check.__name__.replace('_', ' ')} could not be checked"
            yield Problem(what, why=f"{type(error).__name__}: {error}", cure="is the service healthy? For the lab: lz lab doctor")
    yield from clock(region, run.clouds[region.cloud], connection)
    yield from collisions(run, region, connection)
    yield from sharing_quota(run, region, connection)


def services(region: RegionPlan, connection: Connection) -> Iterator[Problem]:
    """Services that the plan uses and the catalogue does not have."""
    offered = {service["type"] for service in connection.service_catalog}
    for service in region.demand.services:
        if not offered.intersection(ALIASES.get(service, (service,))):
            yield Problem(
                f"region {region.name} has no {service} service",
                why=f"its catalogue has: {', '.join(sorted(offered))}",
                cure="install the service, or ask the cloud's operator for it",
            )


def outer_network(region: RegionPlan, connection: Connection) -> Iterator[Problem]:
    """The external network that the hub router needs."""
    known = sorted(network.name for network in connection.network.networks(is_router_external=True))
    if region.external_network not in known:
        yield Problem(
            f"region {region.name} has no external network {region.external_network!r}",
            why=f"it has: {', '.join(known) or 'none'}",
            cure="correct `external_network` of the region, or have the network made",
        )


def flavors(region: RegionPlan, connection: Connection) -> Iterator[Problem]:
    """Flavors that instances of the plan ask for."""
    known = {flavor.name for flavor in connection.compute.flavors()}
    for flavor in region.demand.flavors:
        if flavor not in known:
            yield Problem(
                f"region {region.name} has no flavor {flavor!r}",
                why=f"it has: {', '.join(sorted(known)) or 'none'}",
                cure="correct the environment file, or have the flavor made",
            )


def images(region: RegionPlan, connection: Connection) -> Iterator[Problem]:
    """Images that instances of the plan start from: there, active, and only one of the name."""
    for name in region.demand.images:
        found = list(connection.image.images(name=name))
        if len(found) != 1 or found[0].status != "active":
            why = ", ".join(f"{image.id} is {image.status}" for image in found) or "there is none"
            yield Problem(
                f"region {region.name} does not have exactly one usable image {name!r}",
                why=why,
                cure="upload the image, or remove those that are not meant (the lab: lz lab up)",
            )


def roles(region: RegionPlan, connection: Connection) -> Iterator[Problem]:
    """Roles that the plan grants."""
    wanted = {grant.role for spec in (region.identity, *(tenant.identity for tenant in region.tenants.values())) for grant in spec.grants}
    for role in sorted(wanted - {role.name for role in keystone(connection).roles()}):
        yield Problem(f"region {region.name} has no role {role!r}", cure="run keystone-manage bootstrap of a release that has it")


def clock(region: RegionPlan, cloud: Cloud, connection: Connection) -> Iterator[Problem]:
    """The clocks of this machine and of the cloud."""
    answer = connection.session.get(cloud.auth_url, authenticated=False, raise_exc=False)
    there = answer.headers.get("Date")
    if there is None:
        return
    apart = abs(parsedate_to_datetime(there).timestamp() - time.time())
    if apart > CLOCK_SECONDS:
        yield Problem(
            f"the clocks of this machine and of region {region.name} are {apart:.0f} s apart",
            cure="let both take their time from the same servers",
        )


def collisions(run: Run, region: RegionPlan, connection: Connection) -> Iterator[Problem]:
    """Domains of the plan that exist already without being ours."""
    specs = {"identity": region.identity, **{f"tenant-{code}": tenant.identity for code, tenant in region.tenants.items()}}
    for layer, spec in specs.items():
        ours = run.stacks.domains(StackKey(run.plan.code, region.name, layer))
        for domain in spec.domains:
            found = keystone(connection).find_domain(domain.name, ignore_missing=True)
            if found is not None and found.id != ours.get(domain.name):
                yield Problem(
                    f"region {region.name} has a domain {domain.name!r} that is not ours",
                    where=f"domain {found.id}",
                    cure="remove it, or give the environment another code; after a lost state: docs/operations.md",
                )


def sharing_quota(run: Run, region: RegionPlan, connection: Connection) -> Iterator[Problem]:
    """Room for sharing policies in the administrator's own project: Neutron counts them there, whosever network is shared.

    What is just being made counts twice in Neutron, so there must be room for twice as many as are yet to be made.
    """
    project = str(connection.current_project_id)
    usage = connection.network.get_quota(project, details=True).rbac_policies
    ours = sum(
        1
        for key in run.planned(Selection(regions=frozenset({region.name})))
        for one in run.stacks.resources(key)
        if one["type"] == "openstack:networking/rbacPolicyV2:RbacPolicyV2"
    )
    needed = usage["used"] + 2 * max(0, region.demand.created.rbac_policies - ours)
    if 0 <= usage["limit"] < needed:
        yield Problem(
            f"region {region.name}: the administrator's project may have {usage['limit']} sharing policies, {needed} are needed",
            where=f"project {project}, quota rbac_policies, {usage['used']} in use",
            cure=f"openstack --os-cloud {region.cloud} quota set --rbac-policies {needed} {project}",
        )
