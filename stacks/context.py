"""What every layer's program works with."""

from __future__ import annotations

from functools import cached_property

import pulumi
import pulumi_openstack as openstack

from foundation.errors import LzError, Problem
from landing_zone.planners.plan import MachineUserSpec
from landing_zone.planners.shares import Share, identities, machine_accounts
from stacks.inputs import Inputs, password_name, principal
from stacks.names import Names


class Context:
    """One run of one layer's program."""

    def __init__(self, share: Share, inputs: Inputs) -> None:
        self.region = share.region
        self.layer = share.layer
        self.principal = principal(share.environment, share.region.name)
        self.inputs = inputs
        self.names = Names(share, inputs.standing)
        self._owners: dict[str, openstack.Provider] = {}

    @cached_property
    def admin(self) -> openstack.Provider:
        """The administrator of the region, by the region's entry of clouds.yaml: no password comes near the state."""
        return openstack.Provider(f"admin-{self.region.name}", cloud=self.region.cloud, region=self.region.cloud_region)

    @property
    def as_admin(self) -> pulumi.ResourceOptions:
        """Options of what the administrator makes."""
        return pulumi.ResourceOptions(provider=self.admin)

    def owner_of(self, project: str) -> openstack.Provider:
        """The machine user that works in a project: what a project must own itself (instances) is made by it."""
        if project not in self._owners:
            user = self.machine_user(project)
            endpoint = self.inputs.endpoint
            self._owners[project] = openstack.Provider(
                f"owner-{project}",
                auth_url=endpoint.auth_url,
                cacert_file=endpoint.ca,
                region=self.region.cloud_region,
                user_name=user.name,
                user_domain_name=user.domain,
                tenant_name=project,
                project_domain_name=user.domain,
                password=self.inputs.secret(password_name(self.region.name, user.name)),
            )
        return self._owners[project]

    def machine_user(self, project: str) -> MachineUserSpec:
        """The machine user that works in a project."""
        for _, spec in identities(self.region):
            for known, user in machine_accounts(spec):
                if known == project:
                    return user
        raise LzError(Problem(f"project {project!r} has no machine user", cure="this is a fault of the planner: report it"))
