"""The quota and capacity plan: the limits of every project, and what a region must have for the whole environment."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import fields

from landing_zone.model.environment import QuotaProfile
from landing_zone.planners.plan import InstanceSpec, NetworkLayer, QuotaSpec

_LISTENERS_EACH = 10
_RECORDSETS_EACH = 100
_MEMBERS_EACH = 50
_RECORDS_A_SET = 20
_FORMER = 20  # zones of one owner that a change may take away: more than the catalogue has
_FORMER_RULES = 1000  # the same of rules: a list of prefixes that is replaced by a shorter one takes its own away
_GIB = 2**30
OBJECTS = "object-store"
KEYS = "key-manager"
Limits = Mapping[str, Mapping[str, int]]  # service -> limit -> figure


def workload(profile: QuotaProfile) -> QuotaSpec:
    """Limits of a workload project. It has no networks, routers or subnets of its own: those are the landing zone's."""
    balancers = profile.load_balancers
    return QuotaSpec(
        instances=profile.instances,
        cores=profile.cores,
        ram_mib=profile.ram_gib * 1024,
        key_pairs=profile.key_pairs,
        server_groups=profile.server_groups,
        server_group_members=profile.instances,
        ports=profile.ports,
        floating_ips=profile.floating_ips,
        security_groups=profile.security_groups,
        security_group_rules=profile.security_group_rules,
        volumes=profile.volumes,
        snapshots=profile.snapshots,
        volume_gib=profile.volume_gib,
        per_volume_gib=profile.volume_gib,
        backups=profile.backups,
        backup_gib=profile.backup_gib,
        volume_groups=profile.volumes,
        load_balancers=balancers,
        listeners=balancers * _LISTENERS_EACH,
        pools=balancers * _LISTENERS_EACH,
        health_monitors=balancers * _LISTENERS_EACH,
        members=balancers * _MEMBERS_EACH,
        dns_zones=profile.dns_zones,
        dns_recordsets=profile.dns_zones * _RECORDSETS_EACH,
        dns_records=profile.dns_zones * _RECORDSETS_EACH * _RECORDS_A_SET,
        object_gib=profile.object_gib,
        secrets=profile.secrets,
        secret_containers=profile.secrets,
    )


def network_project(layer: NetworkLayer) -> QuotaSpec:
    """Limits of a project that owns networks: twice what `layer` makes in it, since Neutron counts a thing that is just
    being made as reserved and as used at once; ports have room for those that Neutron adds. What is new is made before what it
    follows is removed, under limits that are lowered already: there is room for both."""
    made = created(layer, ())
    return QuotaSpec(
        networks=2 * made.networks + _FORMER,
        subnets=2 * made.subnets + 2 * _FORMER,
        subnet_pools=2 * made.subnet_pools,
        routers=2 * made.routers,
        ports=2 * (made.ports + made.networks) + 2 * _FORMER,
        security_groups=2 * made.security_groups + _FORMER,
        security_group_rules=2 * made.security_group_rules + _FORMER_RULES,
        rbac_policies=2 * made.rbac_policies,
        dns_zones=2 * made.dns_zones,
        dns_recordsets=made.dns_zones * _RECORDSETS_EACH,
        dns_records=made.dns_zones * _RECORDSETS_EACH * _RECORDS_A_SET,
    )


def by_calls(quota: QuotaSpec, services: Iterable[str]) -> Limits:
    """Limits that no resource of the provider sets, for those of these services that have such; see `engine.limits`.

    Cinder's driver for Swift keeps backups in the account of the project itself. Orders of the key manager have no limit: Cinder
    leaves one behind for every encrypted volume that it ever made.
    """
    limits = {
        OBJECTS: {"bytes": (quota.object_gib + quota.backup_gib) * _GIB},
        KEYS: {"secrets": quota.secrets, "containers": quota.secret_containers},
    }
    return {service: limits[service] for service in services if service in limits}


def created(layer: NetworkLayer, instances: Iterable[InstanceSpec]) -> QuotaSpec:
    """How many things a network layer and instances make, by the quota that each counts against."""
    servers = tuple(instances)
    shares = sum(len(network.shared_with) for network in layer.networks) + sum(len(group.shared_with) for group in layer.security_groups)
    return QuotaSpec(
        instances=len(servers),
        networks=len(layer.networks),
        subnets=sum(len(network.subnets) for network in layer.networks),
        subnet_pools=len(layer.subnet_pools),
        routers=len(layer.routers),
        ports=sum(len(router.legs) for router in layer.routers) + len(servers),
        floating_ips=sum(1 for server in servers if server.floating),
        security_groups=len(layer.security_groups),
        security_group_rules=sum(len(group.rules) for group in layer.security_groups),
        rbac_policies=shares,
        dns_zones=len(layer.dns_zones),
    )


def total(quotas: Iterable[tuple[QuotaSpec, int]]) -> QuotaSpec:
    """The sum, limit by limit, of quotas that each count a number of times."""
    names = [each.name for each in fields(QuotaSpec)]
    sums = dict.fromkeys(names, 0)
    for quota, times in quotas:
        for key in names:
            sums[key] += times * int(getattr(quota, key))
    return QuotaSpec(**sums)
