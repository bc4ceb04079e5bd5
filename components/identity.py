"""Domains, projects, groups, grants, machine users and quotas."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass

import pulumi
from pulumi_openstack import blockstorage, compute, dns, identity, loadbalancer, networking

from components.options import child, once


@dataclass(frozen=True)
class GroupArgs:
    """A group of a domain; people come into it by federation, never one by one from here."""

    name: str
    description: str


@dataclass(frozen=True)
class MachineUserArgs:
    """An account that a program uses. `password` becomes a secret of the state; `groups` are groups of the same domain."""

    name: str
    description: str
    groups: tuple[str, ...]
    password: pulumi.Input[str]


@dataclass(frozen=True)
class GrantArgs:
    """A role of a group. `key` is unique among the grants of a stack and never changes."""

    key: str
    group_id: pulumi.Input[str]
    role_id: pulumi.Input[str]
    inherited: bool = False


@dataclass(frozen=True)
class DomainArgs:
    """A Keystone domain with all its groups and machine users. `name` is unique in the cloud."""

    name: str
    description: str
    groups: tuple[GroupArgs, ...] = ()
    machine_users: tuple[MachineUserArgs, ...] = ()


class Domain(pulumi.ComponentResource):
    """One Keystone domain. `domain_id`, `group_ids` and `machine_user_ids` (by name) are what others build on; a machine
    user's id is known only once it is in all its groups, so that whoever signs in with it finds its roles in place."""

    domain_id: pulumi.Output[str]
    group_ids: Mapping[str, pulumi.Output[str]]
    machine_user_ids: Mapping[str, pulumi.Output[str]]

    def __init__(self, args: DomainArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("lz:identity:Domain", args.name, None, opts)
        own = child(self)
        domain = identity.Project(args.name, name=args.name, description=args.description, is_domain=True, opts=own)
        self.domain_id = domain.id
        self.group_ids = {
            group.name: identity.GroupV3(group.name, name=group.name, description=group.description, domain_id=domain.id, opts=own).id
            for group in args.groups
        }
        self.machine_user_ids = {user.name: self._machine_user(user, own) for user in args.machine_users}
        self.register_outputs({"domainId": self.domain_id})

    def _machine_user(self, user: MachineUserArgs, own: pulumi.ResourceOptions) -> pulumi.Output[str]:
        account = identity.User(
            user.name,
            name=user.name,
            description=user.description,
            domain_id=self.domain_id,
            password=user.password,
            ignore_password_expiry=True,
            opts=own,
        )
        memberships = [
            identity.UserMembershipV3(f"{user.name}--{group}", user_id=account.id, group_id=self.group_ids[group], opts=own).id
            for group in user.groups
        ]
        return once(account.id, memberships)


@dataclass(frozen=True)
class ComputeQuota:
    """Nova quotas; `ram` in MiB."""

    instances: int
    cores: int
    ram: int
    key_pairs: int
    server_groups: int
    server_group_members: int


@dataclass(frozen=True)
class NetworkQuota:
    """Neutron quotas."""

    network: int
    subnet: int
    subnetpool: int
    router: int
    port: int
    floatingip: int
    security_group: int
    security_group_rule: int
    rbac_policy: int


@dataclass(frozen=True)
class VolumeQuota:
    """Cinder quotas; sizes in GiB."""

    volumes: int
    gigabytes: int
    per_volume_gigabytes: int
    snapshots: int
    backups: int
    backup_gigabytes: int
    groups: int


@dataclass(frozen=True)
class LoadBalancerQuota:
    """Octavia quotas."""

    loadbalancer: int
    listener: int
    pool: int
    member: int
    health_monitor: int


@dataclass(frozen=True)
class DnsQuota:
    """Designate quotas: zones, record sets of a zone, records of a zone."""

    zones: int
    zone_recordsets: int
    zone_records: int


@dataclass(frozen=True)
class QuotaArgs:
    """Quotas of every service for one project; None for a service that the region does not offer."""

    compute: ComputeQuota
    network: NetworkQuota
    volume: VolumeQuota | None = None
    load_balancer: LoadBalancerQuota | None = None
    dns: DnsQuota | None = None


@dataclass(frozen=True)
class ProjectArgs:
    """A project with its quotas. `name` is unique in the region, `tags` are what reports count by."""

    name: str
    description: str
    domain_id: pulumi.Input[str]
    quota: QuotaArgs
    tags: tuple[str, ...] = ()


class Project(pulumi.ComponentResource):
    """One project, closed by the quotas of every service. `project_id` becomes known once every quota is set, so that
    nothing is made in a project before its limits."""

    project_id: pulumi.Output[str]

    def __init__(self, args: ProjectArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("lz:identity:Project", args.name, None, opts)
        own = child(self)
        project = identity.Project(
            args.name, name=args.name, description=args.description, domain_id=args.domain_id, tags=sorted(args.tags), opts=own
        )
        quotas = self._quotas(args.name, project.id, args.quota, own)
        self.project_id = once(project.id, (quota.id for quota in quotas))
        self.register_outputs({"projectId": self.project_id})

    def _quotas(
        self, name: str, project_id: pulumi.Output[str], quota: QuotaArgs, own: pulumi.ResourceOptions
    ) -> list[pulumi.CustomResource]:
        made: list[pulumi.CustomResource] = [
            compute.QuotaSetV2(f"{name}.compute", project_id=project_id, **asdict(quota.compute), opts=own),
            networking.QuotaV2(f"{name}.network", project_id=project_id, **asdict(quota.network), opts=own),
        ]
        if quota.volume:
            made.append(blockstorage.QuoteSetV3(f"{name}.volume", project_id=project_id, **asdict(quota.volume), opts=own))
        if quota.load_balancer:
            made.append(loadbalancer.Quota(f"{name}.load-balancer", project_id=project_id, **asdict(quota.load_balancer), opts=own))
        if quota.dns:
            made.append(dns.QuotaV2(f"{name}.dns", project_id=project_id, **asdict(quota.dns), opts=own))
        return made


def grant_on_project(args: GrantArgs, project_id: pulumi.Input[str], opts: pulumi.ResourceOptions | None = None) -> pulumi.Output[str]:
    """Give a group a role in one project; returns the id of the assignment."""
    return identity.RoleAssignment(args.key, project_id=project_id, group_id=args.group_id, role_id=args.role_id, opts=opts).id


def grant_on_domain(args: GrantArgs, domain_id: pulumi.Input[str], opts: pulumi.ResourceOptions | None = None) -> pulumi.Output[str]:
    """Give a group a role over a domain, or (`inherited`) in every project of it, also the later ones; returns the id."""
    kind = identity.InheritRoleAssignment if args.inherited else identity.RoleAssignment
    return kind(args.key, domain_id=domain_id, group_id=args.group_id, role_id=args.role_id, opts=opts).id
