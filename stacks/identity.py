"""Layer `identity`: the platform's own domain, projects, groups, grants and accounts. Tenants have theirs in their own stack."""

from __future__ import annotations

import pulumi
from pulumi_openstack import identity as openstack_identity

from components.identity import (
    ComputeQuota,
    DnsQuota,
    Domain,
    DomainArgs,
    GrantArgs,
    GroupArgs,
    LoadBalancerQuota,
    MachineUserArgs,
    NetworkQuota,
    Project,
    ProjectArgs,
    QuotaArgs,
    VolumeQuota,
    grant_on_domain,
    grant_on_project,
)
from landing_zone.planners.plan import IdentitySpec, QuotaSpec
from landing_zone.planners.shares import ROLES
from stacks.context import Context
from stacks.inputs import password_name


def compose(context: Context) -> None:
    """Everything of the layer."""
    for role in ROLES:
        found = openstack_identity.get_role_output(name=role, opts=pulumi.InvokeOutputOptions(provider=context.admin))
        context.names.add("role", role, found.id)
    compose_identity(context, context.region.identity)


def compose_identity(context: Context, spec: IdentitySpec) -> None:
    """Domains with groups and accounts, projects with quotas, and the grants between them."""
    names = context.names
    for domain in spec.domains:
        made = Domain(
            DomainArgs(
                name=domain.name,
                description=domain.description,
                groups=tuple(GroupArgs(group.name, group.description) for group in spec.groups if group.domain == domain.name),
                machine_users=tuple(
                    MachineUserArgs(
                        name=user.name,
                        description=user.description,
                        groups=user.groups,
                        password=context.inputs.secret(password_name(context.region.name, user.name)),
                    )
                    for user in spec.machine_users
                    if user.domain == domain.name
                ),
            ),
            context.as_admin,
        )
        names.add("domain", domain.name, made.domain_id)
        for name, group_id in made.group_ids.items():
            names.add("group", name, group_id)
        for name, user_id in made.machine_user_ids.items():
            names.add("machine-user", name, user_id)
    for project in spec.projects:
        args = ProjectArgs(
            name=project.name,
            description=project.description,
            domain_id=names.get("domain", project.domain),
            quota=quota_args(project.quota, context.region.demand.services),
            tags=project.tags,
        )
        names.add("project", project.name, Project(args, context.as_admin).project_id)
    for grant in spec.grants:
        grant_args = GrantArgs(grant.key, names.get("group", grant.group), names.get("role", grant.role), grant.inherited)
        if grant.scope == "domain":
            grant_on_domain(grant_args, names.get("domain", grant.target), context.as_admin)
        else:
            grant_on_project(grant_args, names.get("project", grant.target), context.as_admin)


def quota_args(quota: QuotaSpec, services: tuple[str, ...]) -> QuotaArgs:
    """The plan's quotas by the services' own names, for the services that the region has."""
    return QuotaArgs(
        compute=ComputeQuota(
            instances=quota.instances,
            cores=quota.cores,
            ram=quota.ram_mib,
            key_pairs=quota.key_pairs,
            server_groups=quota.server_groups,
            server_group_members=quota.server_group_members,
        ),
        network=NetworkQuota(
            network=quota.networks,
            subnet=quota.subnets,
            subnetpool=quota.subnet_pools,
            router=quota.routers,
            port=quota.ports,
            floatingip=quota.floating_ips,
            security_group=quota.security_groups,
            security_group_rule=quota.security_group_rules,
            rbac_policy=quota.rbac_policies,
        ),
        volume=VolumeQuota(
            volumes=quota.volumes,
            gigabytes=quota.volume_gib,
            per_volume_gigabytes=quota.per_volume_gib,
            snapshots=quota.snapshots,
            backups=quota.backups,
            backup_gigabytes=quota.backup_gib,
            groups=quota.volume_groups,
        )
        if "block-storage" in services
        else None,
        load_balancer=LoadBalancerQuota(
            loadbalancer=quota.load_balancers,
            listener=quota.listeners,
            pool=quota.pools,
            member=quota.members,
            health_monitor=quota.health_monitors,
        )
        if "load-balancer" in services
        else None,
        dns=DnsQuota(zones=quota.dns_zones, zone_recordsets=quota.dns_recordsets, zone_records=quota.dns_records)
        if "dns" in services
        else None,
    )
