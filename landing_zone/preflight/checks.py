"""The judgements: what a region needs, and what was read of it, in; problems out. Pure, one function a subject."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping

from foundation.errors import Problem
from landing_zone.planners.plan import InstanceSpec
from landing_zone.planners.shares import identities, network_layers
from landing_zone.preflight.demand import Account, Need
from landing_zone.preflight.facts import Content, Flavor, Handshake, Host, Image, Limit, Outer, Quotas, Rooms, Taken, Version, Worker

CLOCK_SECONDS = 5.0  # tokens, certificates and logs go wrong beyond that
CERTIFICATE_DAYS = 14.0  # what ends sooner may end before anybody looks again
# service types of the plan -> what the catalogue may call them
ALIASES = {
    "block-storage": ("block-storage", "volumev3", "volume"),
    "object-store": ("object-store", "object-storage"),
    "load-balancer": ("load-balancer", "load-balancing"),
    "key-manager": ("key-manager", "secret"),
}
# What we call: Nova 2.10 lists the key pairs of another user; Placement 1.22 leaves out hosts by what they must not be.
MICROVERSIONS: Mapping[str, Version] = {"compute": Version(2, 10), "placement": Version(1, 22)}
# Who may set limits where policies are as they come.
LIMIT_SETTERS = {"object-store": "ResellerAdmin (Swift's reseller_admin_role)", "key-manager": "admin or key-manager:service-admin"}
MOST_SHOWN = 4
NEUTRON_TWICE = 2  # Neutron counts a thing that is just being made as reserved and as used


def services(need: Need, offered: frozenset[str]) -> Iterator[Problem]:
    """Services that the plan uses and the catalogue does not have."""
    for service in (*need.region.demand.services, "placement"):
        if not offered.intersection(ALIASES.get(service, (service,))):
            yield Problem(
                f"region {need.region.name} has no {service} service",
                why=f"its catalogue has: {', '.join(sorted(offered))}",
                cure="install the service, or ask the cloud's operator for it",
            )


def microversions(need: Need, offered: Mapping[str, Version]) -> Iterator[Problem]:
    """Services that are too old for the calls that are made."""
    for service, least in MICROVERSIONS.items():
        found = offered.get(service)
        if found is None or (found.major, found.minor) < (least.major, least.minor):
            yield Problem(
                f"region {need.region.name}: {service} does not speak microversion {least}",
                why=f"it speaks {found} at most" if found else "it tells none",
                cure="bring the cloud to OpenStack 2023.1 or newer",
            )


def workers(need: Need, found: tuple[Worker, ...]) -> Iterator[Problem]:
    """Programs without which a service answers, but does nothing."""
    wanted = {"nova-compute": "compute", "cinder-volume": "block-storage", "cinder-backup": "block-storage"}
    for binary, service in wanted.items():
        if service not in need.region.demand.services or (binary == "cinder-backup" and not need.region.demand.quota.backups):
            continue
        known = [worker for worker in found if worker.binary == binary]
        if not any(worker.enabled and worker.alive for worker in known):
            yield Problem(
                f"region {need.region.name}: no {binary} is at work",
                why=", ".join(f"{each.host} is {'disabled' if not each.enabled else 'down'}" for each in known) or "there is none",
                cure=f"start or enable {binary} (the lab: lz lab doctor)",
            )


def zones(need: Need, found: Mapping[str, bool]) -> Iterator[Problem]:
    """Availability zones of the environment file: there (name), and available (True)."""
    region = need.region
    named = {zone for tenant in region.tenants.values() for zone in tenant.availability_zones} | set(region.availability_zones)
    for zone in sorted(named | {spec.availability_zone for spec in need.instances if spec.availability_zone}):
        if not found.get(zone, False):
            yield Problem(
                f"region {region.name}: availability zone {zone!r} {'is not available' if zone in found else 'does not exist'}",
                why=f"there are: {', '.join(sorted(found)) or 'none'}",
                cure="correct `availability_zones` of the region, or have a host put into the zone",
            )


def outer_network(need: Need, found: tuple[Outer, ...]) -> Iterator[Problem]:
    """The external network: there, free to be moved to, with an address for each router and floating address that is yet to be made."""
    wanted = need.region.external_network
    network = next((each for each in found if each.name == wanted), None)
    if network is None:
        yield Problem(
            f"region {need.region.name} has no external network {wanted!r}",
            why=f"it has: {', '.join(sorted(each.name for each in found)) or 'none'}",
            cure="correct `external_network` of the region, or have the network made",
        )
        return
    if need.held not in (None, network.id):
        yield Problem(
            f"region {need.region.name}: the bastion's address keeps the hub router in another external network than {wanted!r}",
            where=f"external network {need.held}",
            why="Neutron moves no router out of a network as long as a floating address needs it",
            cure=f"lz down --region {need.region.name} --layer access, then lz up: the bastion gets another address",
        )
    needed = need.floating + need.gateways
    if network.free is not None and network.free < needed:
        yield Problem(
            f"region {need.region.name}: external network {wanted!r} has {network.free} free IPv4 addresses, {needed} are needed",
            why=f"{need.gateways} for routers, {need.floating} floating addresses",
            cure="release addresses that nobody uses, or have its allocation pool made larger",
        )


def content(need: Need, found: Content) -> Iterator[Problem]:
    """Flavors and images of the plan: there, usable, and fit for each other."""
    region = need.region.name
    flavors = {flavor.name: flavor for flavor in found.flavors}
    for name in need.region.demand.flavors:
        if name not in flavors:
            yield Problem(
                f"region {region} has no flavor {name!r}",
                why=f"it has: {', '.join(sorted(flavors)) or 'none'}",
                cure="correct the environment file, or have the flavor made",
            )
    ids = {account.name: account.id for account in need.accounts}
    images: dict[tuple[str, str], Image] = {}
    lacking: dict[tuple[str, tuple[Image, ...]], list[str]] = {}
    made = (*need.instances, *need.remade)
    for name, project in sorted({(spec.image, spec.project) for spec in made}):
        seen = tuple(image for image in found.images if image.name == name and _sees(ids.get(project), image))
        if len(seen) == 1 and seen[0].status == "active":
            images[name, project] = seen[0]
        else:
            lacking.setdefault((name, seen), []).append(project)
    for (name, seen), projects in lacking.items():
        known = [image for image in found.images if image.name == name]
        yield Problem(
            f"region {region} does not have exactly one usable image {name!r}",
            where=f"instances of project {', '.join(projects[:MOST_SHOWN])}" + (", ..." if len(projects) > MOST_SHOWN else ""),
            why=", ".join(_offered(image, image in seen) for image in known) or "there is none",
            cure="upload the image for all (openstack image set --public), or remove or hide what is not meant (the lab: lz lab up)",
        )
    pairs = {(spec.flavor, images[key]) for spec in made if (key := (spec.image, spec.project)) in images}
    for flavor, image in sorted(pairs, key=lambda pair: (pair[0], pair[1].name, pair[1].id)):
        if flavor in flavors:
            yield from _fits(region, flavors[flavor], image)


def _sees(project: str | None, image: Image) -> bool:
    """Whether an account of a project (None: not made yet) finds an image by its name, as the provider does: in Glance's usual list."""
    return image.visibility == "public" or project == image.owner or project in image.members


def _offered(image: Image, seen: bool) -> str:
    if seen:
        return f"{image.id} is {image.status}"
    offer = {"shared": "shared by", "community": "offered to the community by"}.get(image.visibility, "private to")
    return f"{image.id} is {offer} project {image.owner}"


def _fits(region: str, flavor: Flavor, image: Image) -> Iterator[Problem]:
    short = []
    if flavor.ram < image.min_ram:
        short.append(f"{flavor.ram} MiB of memory, the image needs {image.min_ram}")
    if 0 < flavor.disk < image.min_disk:
        short.append(f"{flavor.disk} GiB of disk, the image needs {image.min_disk}")
    if short:
        yield Problem(
            f"region {region}: flavor {flavor.name!r} is too small for image {image.name!r}",
            why=f"it has {'; '.join(short)}",
            cure="take a larger flavor, or correct min_ram and min_disk of the image",
        )


def roles(need: Need, found: frozenset[str]) -> Iterator[Problem]:
    """Roles that the plan grants."""
    region = need.region
    wanted = {grant.role for _, spec in identities(region) for grant in spec.grants}
    for role in sorted(wanted - found):
        yield Problem(f"region {region.name} has no role {role!r}", cure="run keystone-manage bootstrap of a release that has it")


def limits(need: Need, refused: Mapping[str, str]) -> Iterator[Problem]:
    """Services whose limits this account may not set (name), and what they say."""
    for service, said in refused.items():
        yield Problem(
            f"region {need.region.name}: this account may not set limits of {service}",
            why=said,
            cure=f"let the cloud's operator give it the role {LIMIT_SETTERS[service]} in the project that it signs in to",
        )


def clock(need: Need, apart: float | None) -> Iterator[Problem]:
    """Seconds between the clocks of this machine and of the cloud (None: it does not tell)."""
    if apart is not None and apart > CLOCK_SECONDS:
        yield Problem(
            f"the clocks of this machine and of region {need.region.name} are {apart:.0f} s apart",
            cure="let both take their time from the same servers",
        )


def certificates(need: Need, found: tuple[Handshake, ...]) -> Iterator[Problem]:
    """Every endpoint of the catalogue: TLS 1.2 or newer, a certificate for its name by an authority that we know, not about to end."""
    region = need.region.name
    for each in found:
        if each.error:
            yield Problem(
                f"region {region}: no safe connection to {each.place}",
                why=each.error,
                cure="let the endpoint have TLS 1.2 or newer and a certificate for its name, signed by the authority in `cacert`",
            )
        elif each.days < CERTIFICATE_DAYS:
            yield Problem(
                f"region {region}: the certificate of {each.place} ends in {each.days:.0f} days",
                cure="renew the certificate (the lab: lz lab down, then lz lab up)",
            )


def collisions(need: Need, taken: Taken) -> Iterator[Problem]:
    """Names of the plan that something else has already."""
    for kind, planned, found in (
        ("domain", need.domains, taken.domains),
        ("DNS zone", need.zones, taken.zones),
        ("network", need.networks, taken.networks),
    ):
        for name, ours in planned.items():
            for other in found.get(name, ()):
                if other != ours:
                    yield Problem(
                        f"region {need.region.name} has a {kind} {name!r} that is not ours",
                        where=f"{kind} {other}",
                        cure="remove it, or give the environment another code; after a lost state: docs/operations.md",
                    )
    yield from _zones_around(need, taken)
    for wanted, others in taken.identities.items():
        for other in others:
            yield Problem(
                f"region {need.region.name} has a {wanted.kind} {wanted.name!r} that is not ours",
                where=f"{wanted.kind} {other} in domain {wanted.domain}",
                why="in a domain a name is there once, with capitals or without",
                cure="remove or rename it, or choose another name in the environment file; after a lost state: docs/operations.md",
            )


def _zones_around(need: Need, taken: Taken) -> Iterator[Problem]:
    """Zones of other projects that are above or below one that is yet to be made; of those above, Designate looks at the nearest alone."""
    ids = {account.name: account.id for account in need.accounts}
    owners = {zone.name: ids.get(zone.project) for _, layer in network_layers(need.region) for zone in layer.dns_zones}
    for name in (name for name, made in need.zones.items() if made is None):
        above = [zone for zone in taken.around if name.endswith(f".{zone.name}")]
        nearest = max((len(zone.name) for zone in above), default=0)
        beside = [("below", zone) for zone in above if len(zone.name) == nearest]
        beside += [("above", zone) for zone in taken.around if zone.name.endswith(f".{name}")]
        for side, zone in beside:
            if zone.project != owners[name]:
                yield Problem(
                    f"region {need.region.name}: DNS zone {name!r} cannot be made {side} {zone.name!r} of another project",
                    where=f"DNS zone {zone.id} of project {zone.project}",
                    why="Designate lets only the project that has a zone make others within it or around it",
                    cure="remove it, or give the environment another `domain`; after a lost state: docs/operations.md",
                )


def addresses(need: Need, _: object) -> Iterator[Problem]:
    """No prefix that was given out is another one now: networks would be removed under what runs in them."""
    if need.moved:
        first = ", ".join(f"{name} from {stands} to {planned}" for name, (stands, planned) in sorted(need.moved.items())[:MOST_SHOWN])
        yield Problem(
            f"region {need.region.name}: {len(need.moved)} subnets that stand would move to other addresses",
            where="the address ledger beside the environment file",
            why=first + (", ..." if len(need.moved) > MOST_SHOWN else ""),
            cure="restore the ledger from version control, where it is missing or older; to renumber, take the tenant down first",
        )


def quotas(need: Need, found: Quotas) -> Iterator[Problem]:
    """Room for what is yet to be made in each project and service, in the plan's limits or in those that the cloud has now, and for
    what is in use where limits are lowered."""
    region = need.region
    sharing = found.administrator.get("rbac_policies", Limit(-1))
    needed = sharing.used + sharing.reserved + NEUTRON_TWICE * need.sharing
    if need.sharing and 0 <= sharing.limit < needed:
        yield Problem(
            f"region {region.name}: the administrator's project may have {sharing.limit} sharing policies, {needed} are needed",
            where=f"project {found.administrator_id}, quota rbac_policies, {sharing.used} in use",
            cure=f"openstack --os-cloud {region.cloud} quota set --rbac-policies {needed} {found.administrator_id}",
        )
    flavors = {flavor.name: flavor for flavor in found.flavors}
    for account in need.accounts:
        live = found.projects.get(account.name, {})
        for name, more in _wanted(account, flavors).items():
            yield from _room(region.name, region.cloud, account, name, more, live.get(name))
        yield from _in_use(region.name, account, live)


def _in_use(region: str, account: Account, live: Mapping[str, Limit]) -> Iterator[Problem]:
    """Nova lowers no limit below what is in use."""
    for name in sorted(account.lowered & live.keys()):
        planned, used = int(getattr(account.planned, name)), live[name].used + live[name].reserved
        if used > planned:
            yield Problem(
                f"region {region}: project {account.name} uses {used} {name.replace('_', ' ')}, the plan gives it {planned}",
                where=f"project {account.id}",
                why="Nova refuses a limit below what is in use",
                cure="have less used first, or raise the quota profile of the project in the environment file",
            )


def _wanted(account: Account, flavors: Mapping[str, Flavor]) -> dict[str, int]:
    """What is yet to be made in a project, by limit; none that is not needed."""
    sizes = [flavors[spec.flavor] for spec in account.instances if spec.flavor in flavors]
    wanted = {
        "instances": len(account.instances),
        "cores": sum(size.cpus for size in sizes),
        "ram_mib": sum(size.ram for size in sizes),
    }
    for name in ("networks", "subnets", "subnet_pools", "routers", "ports", "floating_ips", "security_groups", "security_group_rules"):
        wanted[name] = NEUTRON_TWICE * int(getattr(account.making, name))
    wanted["dns_zones"] = account.making.dns_zones
    return {name: count for name, count in wanted.items() if count}


def _room(region: str, cloud: str, account: Account, name: str, more: int, live: Limit | None) -> Iterator[Problem]:
    known = live or Limit(getattr(account.planned, name))
    own = name in account.kept and live is not None
    limit = known.limit if own else int(getattr(account.planned, name))
    needed = known.used + known.reserved + more
    if 0 <= limit < needed:
        yield Problem(
            f"region {region}: project {account.name} may have {limit} {name.replace('_', ' ')}, {needed} are needed",
            where=f"project {account.id or 'not made yet'}, {known.used} in use, {more} to come",
            why=f"the cloud has {limit}, the plan {getattr(account.planned, name)}" if own else "that is what the plan gives it",
            cure=f"lz drift, then lz up; or: openstack --os-cloud {cloud} quota set {account.id}"
            if own
            else "raise the quota profile of the project in the environment file",
        )


def capacity(need: Need, found: Rooms) -> Iterator[Problem]:
    """Room on the hypervisors for every instance that is yet to be made, the largest first, each in its zone."""
    flavors = {flavor.name: flavor for flavor in found.flavors}
    free = {host.name: dict(host.free) for hosts in found.hosts.values() for host in hosts}
    homeless: Counter[tuple[str, str]] = Counter()
    known = [spec for spec in need.instances if spec.flavor in flavors]
    for spec in sorted(known, key=lambda spec: (flavors[spec.flavor].ram, flavors[spec.flavor].cpus), reverse=True):
        if not _placed(spec, flavors[spec.flavor], found.hosts.get(spec.flavor, ()), free):
            homeless[spec.flavor, spec.availability_zone or ""] += 1
    for (flavor, zone), count in homeless.items():
        whole = sum(1 for spec in known if spec.flavor == flavor and (spec.availability_zone or "") == zone)
        yield Problem(
            f"region {need.region.name}: there is room for {whole - count} of {whole} instances of flavor {flavor!r}"
            + (f" in zone {zone!r}" if zone else ""),
            why=", ".join(f"{name} has left {_said(left)}" for name, left in sorted(free.items())) or "no host has room for one",
            cure="free capacity, add hosts, or take smaller flavors",
        )


def _placed(spec: InstanceSpec, flavor: Flavor, hosts: tuple[Host, ...], free: dict[str, dict[str, int]]) -> bool:
    """Take the room of one instance from the host that has most memory left; False when none has room."""
    wanted = demanded(flavor)
    fitting = [host.name for host in hosts if _in_zone(host, spec) and _holds(free[host.name], wanted)]
    if not fitting:
        return False
    best = max(fitting, key=lambda name: free[name].get("MEMORY_MB", 0))
    for kind, count in wanted.items():
        free[best][kind] -= count
    return True


def _in_zone(host: Host, spec: InstanceSpec) -> bool:
    return spec.availability_zone is None or host.zone in (None, spec.availability_zone)


def _holds(free: Mapping[str, int], wanted: Mapping[str, int]) -> bool:
    return all(free.get(kind, 0) >= count for kind, count in wanted.items())


def demanded(flavor: Flavor) -> dict[str, int]:
    """What an instance of a flavor takes, by Placement's resource classes."""
    wanted = {"VCPU": flavor.cpus, "MEMORY_MB": flavor.ram, "DISK_GB": flavor.disk}
    return {kind: count for kind, count in wanted.items() if count}


def _said(left: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {kind}" for kind, count in sorted(left.items()))
