"""The identity plan: domains, projects, groups and grants of the platform and of every tenant."""

from __future__ import annotations

from typing import Literal

from landing_zone.model.environment import Environment, QuotaProfile, Tenant
from landing_zone.model.levels import zones
from landing_zone.model.platform import PROJECT, platform_zones
from landing_zone.planners import quotas
from landing_zone.planners.names import PLATFORM, name, tags
from landing_zone.planners.plan import (
    CredentialSpec,
    DomainSpec,
    GrantSpec,
    GroupSpec,
    IdentitySpec,
    MachineUserSpec,
    NetworkLayer,
    PersonSpec,
    ProjectSpec,
    Role,
)

_PLATFORM_GROUPS: tuple[tuple[str, Role, str], ...] = (
    ("operators", "manager", "Run the platform's projects"),
    ("monitors", "reader", "Watch the platform's projects"),
    ("automation", "member", "Machines that work in the platform's projects"),
)
_PURPOSES: tuple[Literal["member", "reader"], ...] = ("member", "reader")  # of a project's programs: to change, and to look


def network_project(environment: Environment, owner: str) -> str:
    """The project that owns an owner's networks and routers; it lies in the platform's domain, out of every tenant's reach."""
    return name(environment.code, owner, "network")


def platform(environment: Environment, network: NetworkLayer) -> IdentitySpec:
    """The platform's own identities in a region, with the quota that `network` needs."""
    code = environment.code
    domain = name(code, PLATFORM)
    marks = tags(code, environment.level, PLATFORM)
    hub = ProjectSpec(
        network_project(environment, PLATFORM),
        domain,
        "network",
        "Hub router, transit and platform networks",
        quotas.network_project(network),
        marks,
    )
    zoned = tuple(
        ProjectSpec(
            name(code, PLATFORM, zone), domain, "platform", zones()[zone].title, quotas.workload(PROJECT), (*marks, f"lz-zone={zone}")
        )
        for zone in platform_zones(environment)
    )
    groups = tuple(GroupSpec(name(code, PLATFORM, short), domain, text) for short, _, text in _PLATFORM_GROUPS)
    auditors = GroupSpec(name(code, PLATFORM, "auditors"), domain, "Read everything of the environment, change nothing")
    grants = tuple(
        GrantSpec(name(code, PLATFORM, short), role, "project", project.name)
        for short, role, _ in _PLATFORM_GROUPS
        for project in (hub, *zoned)
        if short != "automation" or project is not hub
    )
    return IdentitySpec(
        domains=(DomainSpec(domain, f"Platform of {environment.name.en}"),),
        projects=(hub, *zoned),
        groups=(*groups, auditors),
        grants=(
            *grants,
            GrantSpec(auditors.name, "reader", "domain", domain),
            GrantSpec(auditors.name, "reader", "domain", domain, inherited=True),
        ),
        machine_users=(
            MachineUserSpec(
                name(code, PLATFORM, "automation"),
                domain,
                name(code, PLATFORM, "management"),
                (name(code, PLATFORM, "automation"),),
                "Makes the bastion and what else runs in the platform's projects",
            ),
        ),
    )


def tenant(environment: Environment, agency: Tenant, network: NetworkLayer) -> IdentitySpec:
    """A tenant's domain with its workload projects and groups, and the project in the platform's domain that owns its networks."""
    code, own = environment.code, agency.code
    domain = name(code, own)
    marks = tags(code, agency.level, own)
    profiles: dict[str, QuotaProfile] = {profile.name: profile for profile in environment.quota_profiles}
    owner_of_networks = ProjectSpec(
        network_project(environment, own),
        name(code, PLATFORM),
        "network",
        f"Networks and router of {agency.name.en}",
        quotas.network_project(network),
        marks,
    )
    projects = tuple(
        ProjectSpec(name(code, own, each.code), domain, "workload", each.purpose, quotas.workload(profiles[each.quota]), marks)
        for each in environment.projects_for(agency)
    )
    groups: list[GroupSpec] = []
    grants: list[GrantSpec] = []
    for group in environment.groups_for(agency):
        full = name(code, own, group.name)
        covered = [name(code, own, project) for project in group.projects] or [project.name for project in projects]
        groups.append(GroupSpec(full, domain, f"{group.role} of {', '.join(covered)}"[:250]))
        if group.role == "manager":
            grants.append(GrantSpec(full, "manager", "domain", domain))
        role: Role = "reader" if group.role == "manager" else group.role
        grants += [GrantSpec(full, role, "project", project) for project in covered]
    machines = GroupSpec(name(code, own, "automation"), domain, "Machines that work in the tenant's projects")
    auditors = name(code, PLATFORM, "auditors")
    return IdentitySpec(
        domains=(DomainSpec(domain, agency.name.en),),
        projects=(owner_of_networks, *projects),
        groups=(*groups, machines),
        grants=(
            *grants,
            *(GrantSpec(machines.name, "member", "project", project.name) for project in projects),
            GrantSpec(auditors, "reader", "domain", domain),
            GrantSpec(auditors, "reader", "domain", domain, inherited=True),
        ),
        machine_users=(MachineUserSpec(machines.name, domain, projects[0].name, (machines.name,), f"Automation of {agency.name.en}"),),
        people=tuple(
            PersonSpec(person.federated_id, domain, tuple(name(code, own, group) for group in person.groups)) for person in agency.people
        ),
        credentials=tuple(
            CredentialSpec(f"{project.name}-{each}", machines.name, project.name, each) for project in projects for each in _PURPOSES
        ),
    )
