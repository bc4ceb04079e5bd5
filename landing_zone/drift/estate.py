"""What of a region is the landing zone's: its domains and projects with their purpose, and who may use which network."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from landing_zone.planners.plan import RegionPlan
from landing_zone.planners.shares import identities, network_layers

Purpose = Literal["network", "platform", "workload", "by hand"]


@dataclass(frozen=True)
class Ground:
    """One project: the layer that makes it, what it is for, and whether it may have floating addresses."""

    layer: str
    purpose: Purpose
    floating: bool


@dataclass(frozen=True)
class Estate:
    """All that is the landing zone's, by name. `shared` are projects that may have ports in a network, by network;
    names of users, groups and projects are (domain, name)."""

    domains: Mapping[str, str]
    projects: Mapping[tuple[str, str], Ground]
    groups: frozenset[tuple[str, str]]
    machine_users: frozenset[tuple[str, str]]
    machine_groups: frozenset[str]
    shared: Mapping[str, frozenset[str]]

    @cached_property
    def grounds(self) -> Mapping[str, Ground]:
        """Projects by their name alone, which is unique among those of the plan."""
        return {name: ground for (_, name), ground in self.projects.items()}


def estate(region: RegionPlan) -> Estate:
    """The estate of a region as it is planned."""
    specs = dict(identities(region))
    networks = [network for _, layer in network_layers(region) for network in layer.networks]
    users = [user for spec in specs.values() for user in spec.machine_users]
    return Estate(
        domains={domain.name: layer for layer, spec in specs.items() for domain in spec.domains},
        projects={
            (project.domain, project.name): Ground(layer, project.purpose, project.quota.floating_ips > 0)
            for layer, spec in specs.items()
            for project in spec.projects
        },
        groups=frozenset((group.domain, group.name) for spec in specs.values() for group in spec.groups),
        machine_users=frozenset((user.domain, user.name) for user in users),
        machine_groups=frozenset(group for user in users for group in user.groups),
        shared={network.name: frozenset(network.shared_with) for network in networks},
    )
