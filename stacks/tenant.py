"""Layer `tenant-CODE`: all of one agency in one region: domain, projects, groups, quotas, networks, router, security groups."""

from __future__ import annotations

from landing_zone.planners.shares import TENANT
from stacks.context import Context
from stacks.identity import compose_identity
from stacks.network import compose_network


def compose(context: Context) -> None:
    """Everything of the layer."""
    tenant = context.region.tenants[context.layer.removeprefix(TENANT)]
    compose_identity(context, tenant.identity)
    compose_network(context, tenant.network)
