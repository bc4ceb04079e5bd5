"""What every layer's program works with."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import pulumi
import pulumi_openstack as openstack

from foundation.errors import LzError, Problem
from landing_zone.planners.plan import EnvironmentPlan, MachineUserSpec, RegionPlan
from stacks.names import Names


@dataclass(frozen=True)
class Endpoint:
    """Where a region's Keystone answers. `ca` is the PEM text of its certificate authority (None: one of the system's)."""

    auth_url: str
    ca: str | None


@dataclass(frozen=True)
class Inputs:
    """What a program needs beside the plan.

    `secret` gives the secret of that name, made at its first use. `public_key` is the SSH key of the operators. `standing`
    are the layers of the region that have been applied; None: taken to be all that come earlier.
    """

    endpoint: Endpoint
    secret: Callable[[str], str]
    public_key: str
    standing: frozenset[str] | None = None


class Context:
    """One run of one layer's program."""

    def __init__(self, environment: EnvironmentPlan, region: RegionPlan, layer: str, inputs: Inputs) -> None:
        self.region = region
        self.layer = layer
        self.inputs = inputs
        self.names = Names(environment.code, region, layer, inputs.standing)
        self._owners: dict[str, openstack.Provider] = {}

    @cached_property
    def admin(self) -> openstack.Provider:
        """The administrator of the region, by the region's entry of clouds.yaml: no password comes near the state."""
        return openstack.Provider(f"admin-{self.region.name}", cloud=self.region.cloud, region=self.region.name)

    @property
    def as_admin(self) -> pulumi.ResourceOptions:
        """Options of what the administrator makes."""
        return pulumi.ResourceOptions(provider=self.admin)

    def owner_of(self, project: str) -> openstack.Provider:
        """The machine user that works in a project: what a project must own itself (instances, key pairs) is made by it."""
        if project not in self._owners:
            user = self.machine_user(project)
            endpoint = self.inputs.endpoint
            self._owners[project] = openstack.Provider(
                f"owner-{project}",
                auth_url=endpoint.auth_url,
                cacert_file=endpoint.ca,
                region=self.region.name,
                user_name=user.name,
                user_domain_name=user.domain,
                tenant_name=project,
                project_domain_name=user.domain,
                password=self.inputs.secret(password_name(self.region.name, user.name)),
            )
        return self._owners[project]

    def machine_user(self, project: str) -> MachineUserSpec:
        """The machine user that works in a project."""
        specs = (self.region.identity, *(tenant.identity for tenant in self.region.tenants.values()))
        for spec in specs:
            for user in spec.machine_users:
                if user.project == project:
                    return user
        raise LzError(Problem(f"project {project!r} has no machine user", cure="this is a fault of the planner: report it"))


def password_name(region: str, user: str) -> str:
    """The name under which the secret store has the password of a machine user."""
    return f"{region}.{user}"
