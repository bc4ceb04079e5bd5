"""Environments with any number of tenants, and plans of the shipped ones."""

from __future__ import annotations

from functools import cache
from typing import Any

from landing_zone.model.environment import Environment, Tenant
from landing_zone.planners import plan
from landing_zone.planners.plan import EnvironmentPlan, NetworkLayer, RegionPlan
from tests.unit.model import support


@cache
def planned(name: str) -> EnvironmentPlan:
    """The plan of a shipped environment with an empty ledger."""
    return plan(support.environment(name))


def regions() -> list[tuple[str, RegionPlan]]:
    """Every region of every shipped environment, with the environment's name."""
    return [(name, region) for name in support.SHIPPED for region in planned(name).regions.values()]


def layers(region: RegionPlan) -> list[NetworkLayer]:
    """The network layers of all stacks of a region."""
    return [region.network, *(tenant.network for tenant in region.tenants.values())]


def with_tenants(name: str, codes: dict[str, Any]) -> Environment:
    """A shipped environment with tenants of these codes in place of its own; a value holds keys that differ."""
    base = support.environment(name)
    tenants = tuple(
        Tenant.model_validate(
            {"code": code, "dti_code": f"T-{index}", "name": {"vi": f"Cơ quan {index}", "en": f"Agency {index}"}, "level": 1, **more}
        )
        for index, (code, more) in enumerate(codes.items())
    )
    return base.model_copy(update={"tenants": tenants, "verification": base.verification.model_copy(update={"probes": "none"})})
