"""What must stand before `lz verify` makes its probes."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from foundation.errors import InputError
from landing_zone.engine.opening import load_plan
from landing_zone.planners.shares import owners
from landing_zone.proof.verify import require_standing

PLAN = load_plan("ministry-agc@lab")


def run(**layers: dict[str, Any]) -> Any:
    """A run in whose regions the layers stand as they are planned, but for those given, by name with `_` for `-`."""
    given = {name.replace("_", "-"): outputs for name, outputs in layers.items()}

    def outputs(key: Any) -> dict[str, Any]:
        if key.layer in given:
            return given[key.layer]
        ids: dict[str, dict[str, str]] = {}
        for (kind, name), layer in owners(PLAN.regions[key.region]).items():
            if layer == key.layer:
                ids.setdefault(kind, {})[name] = "1"
        return {"ids": ids, **({"bastion": "1"} if key.layer == "access" else {})}

    return SimpleNamespace(plan=PLAN, stacks=SimpleNamespace(outputs=outputs))


def test_what_stands_in_full_is_enough() -> None:
    require_standing(run(), ["north", "south"])


def test_a_region_without_its_bastion_is_not_up() -> None:
    with pytest.raises(InputError, match=r"lz up --env ministry-agc@lab --region north") as refused:
        require_standing(run(access={}), ["north", "south"])
    assert [problem.what for problem in refused.value.problems] == ["region north is not up", "region south is not up"]


def test_a_tenant_that_is_missing_or_made_in_part_is_named_before_anything_is_made() -> None:
    tenants = [layer for step in PLAN.regions["north"].order for layer in step if layer.startswith("tenant-")][:2]
    with pytest.raises(InputError) as refused:
        require_standing(run(**{tenants[0].replace("-", "_"): {}, tenants[1].replace("-", "_"): {"ids": {"domain": {}}}}), ["north"])
    assert all(tenant in refused.value.problems[0].why for tenant in tenants)
