"""Tenants: what they refer to exists, and what they may use fits into the regions."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from landing_zone.model import platform
from landing_zone.model.complaints import Finding
from landing_zone.model.document import Path_
from landing_zone.model.environment import Environment, Group, Project, Tenant, TenantDefaults
from landing_zone.model.levels import figures, zones

_CAPACITIES = ("cores", "ram_gib", "volume_gib", "backup_gib", "object_gib", "floating_ips")


def zone_lists(environment: Environment) -> Iterator[Finding]:
    """Tenants use zones of the tenant kind that the environment has."""
    for path, names in _holders(environment, "zones"):
        for index, name in enumerate(names):
            if zones()[name].scope != "tenant":
                why = "it is run by the platform for the whole region"
                yield Finding((*path, index), f"{path[-1]}: {name} is not a zone for tenants", why, "remove it; flows lead there")
            elif name not in environment.zone_names:
                why = f"the environment has {', '.join(environment.zone_names)}"
                yield Finding((*path, index), f"{path[-1]}: the environment has no zone {name}", why, "add it to the environment's `zones`")


def references(environment: Environment) -> Iterator[Finding]:
    """Regions, quota profiles, projects and groups that are named exist."""
    regions = {region.name for region in environment.regions}
    profiles = {profile.name for profile in environment.quota_profiles}
    for index, tenant in enumerate(environment.tenants):
        yield from _known(tenant.regions, regions, ("tenants", index, "regions"), "region")
        groups = {group.name for group in environment.groups_for(tenant)}
        for place, person in enumerate(tenant.people):
            yield from _known(person.groups, groups, ("tenants", index, "people", place, "groups"), "group")
        yield from _group_projects(tenant.groups, environment.projects_for(tenant), ("tenants", index))
        yield from _profiles(tenant.projects, profiles, ("tenants", index))
    defaults = environment.tenant_defaults
    yield from _profiles(defaults.projects, profiles, ("tenant_defaults",))
    yield from _group_projects(defaults.groups, defaults.projects, ("tenant_defaults",))
    default_groups = {project for group in defaults.groups for project in group.projects}
    for index, tenant in enumerate(environment.tenants):
        if tenant.projects and not tenant.groups:
            lacking = default_groups - {project.code for project in tenant.projects}
            if lacking:
                why = f"the default groups cover {', '.join(sorted(default_groups))}"
                yield Finding(
                    ("tenants", index, "projects"),
                    f"projects: {', '.join(sorted(lacking))} is missing",
                    why,
                    "add it, or give the tenant groups of its own",
                )


def floating(environment: Environment) -> Iterator[Finding]:
    """Only a tenant with a zone at the border may have floating addresses (control NET-07)."""
    profiles = {profile.name: profile for profile in environment.quota_profiles}
    for index, tenant in enumerate(environment.tenants):
        if any(zones()[zone].external for zone in environment.zones_for(tenant)):
            continue
        for project in environment.projects_for(tenant):
            if project.quota in profiles and profiles[project.quota].floating_ips:
                path: Path_ = ("tenants", index, "projects") if tenant.projects else ("tenants", index, "code")
                why = f"quota profile {project.quota} of project {project.code} has {profiles[project.quota].floating_ips}"
                cure = "give the tenant the zone edge, or a profile without floating_ips"
                yield Finding(path, f"tenant {tenant.code} may have floating_ips without an edge zone", why, cure)


def capacity(environment: Environment) -> Iterator[Finding]:
    """The sum of all quotas of a region fits into its declared capacity (control CMP-11)."""
    profiles = {profile.name: profile for profile in environment.quota_profiles}
    count = len(platform.platform_zones(environment))
    for index, region in enumerate(environment.regions):
        sums = {key: count * int(getattr(platform.PROJECT, key)) for key in _CAPACITIES}
        for tenant in environment.tenants:
            if region.name not in environment.regions_for(tenant):
                continue
            for project in environment.projects_for(tenant):
                for key in _CAPACITIES:
                    sums[key] += getattr(profiles.get(project.quota), key, 0)
        for key, total in sums.items():
            available = getattr(region.capacity, key)
            if total > available:
                why = f"tenants and {count} platform projects may use {total}, region {region.name} has {available}"
                yield Finding(
                    ("regions", index, "capacity", key),
                    f"the quotas exceed the capacity: {key}",
                    why,
                    f"lower quotas, or declare at least {total} if the cloud has it",
                )


def secrets(environment: Environment) -> Iterator[Finding]:
    """Where volumes are encrypted, a project may have a secret for each volume that it may have (control STO-04)."""
    users: dict[str, Tenant] = {}
    for tenant in environment.tenants:
        if environment.figure("encrypted_volumes", max(environment.level, tenant.level)):
            users |= {project.quota: users.get(project.quota, tenant) for project in environment.projects_for(tenant)}
    for index, profile in enumerate(environment.quota_profiles):
        if profile.name in users and profile.secrets < profile.volumes:
            why = f"tenant {users[profile.name].code} may have {profile.volumes} volumes, each encrypted with a key that is a secret"
            yield Finding(
                ("quota_profiles", index, "secrets"),
                f"secrets: quota profile {profile.name} has {profile.secrets}, fewer than volumes",
                f"{why}. Source: {figures()['encrypted_volumes'].source}",
                f"raise it to {profile.volumes} or more, or lower volumes",
            )


def _holders(environment: Environment, key: str) -> Iterator[tuple[Path_, tuple[str, ...]]]:
    holders: list[tuple[Path_, Tenant | TenantDefaults]] = [(("tenant_defaults",), environment.tenant_defaults)]
    holders += [(("tenants", index), tenant) for index, tenant in enumerate(environment.tenants)]
    for path, holder in holders:
        yield (*path, key), getattr(holder, key)


def _known(names: Sequence[str], known: set[str], path: Path_, what: str) -> Iterator[Finding]:
    for index, name in enumerate(names):
        if name not in known:
            yield Finding(
                (*path, index),
                f"{path[-1]}: unknown {what} {name!r}",
                f"there are {', '.join(sorted(known)) or 'none'}",
                f"name one of them, or declare the {what}",
            )


def _group_projects(groups: Sequence[Group], projects: Sequence[Project], path: Path_) -> Iterator[Finding]:
    codes = {project.code for project in projects}
    for index, group in enumerate(groups):
        yield from _known(group.projects, codes, (*path, "groups", index, "projects"), "project")


def _profiles(projects: Sequence[Project], profiles: set[str], path: Path_) -> Iterator[Finding]:
    for index, project in enumerate(projects):
        if project.quota not in profiles:
            here = (*path, "projects", index, "quota")
            yield Finding(
                here,
                f"quota: unknown profile {project.quota!r}",
                f"there are {', '.join(sorted(profiles))}",
                "name one of them, or add it to quota_profiles",
            )


RULES: tuple[Callable[[Environment], Iterator[Finding]], ...] = (zone_lists, references, floating, capacity, secrets)
