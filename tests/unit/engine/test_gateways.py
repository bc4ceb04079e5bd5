"""A router that is to have no way out any more loses it: the provider itself would leave it, and say that nothing has changed."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any
from unittest.mock import MagicMock

import pytest
from openstack.exceptions import ConflictException

from foundation.errors import LzError
from landing_zone.engine import gateways
from landing_zone.engine.stack import StackKey
from tests.unit.engine.support import plan

EDU, PORTAL, NETWORK = (StackKey("lab", "north", layer) for layer in ("tenant-edu", "tenant-portal", "network"))


def router(name: str, outside: str) -> dict[str, Any]:
    """A router as a state has it; `outside`: the network in which the cloud says that its gateway is."""
    return {"type": gateways.ROUTER, "id": f"id of {name}", "inputs": {"name": name}, "outputs": {"externalNetworkId": outside}}


def run(states: dict[StackKey, list[dict[str, Any]]]) -> Any:
    refreshed: list[StackKey] = []
    return SimpleNamespace(
        plan=plan(),
        stacks=SimpleNamespace(resources=lambda key: states.get(key, [])),
        connections={"north": MagicMock()},
        say=lambda _: None,
        refresh=refreshed.extend,
        refreshed=refreshed,
    )


STATES = {
    EDU: [router("lab-edu-router", "n1"), {"type": gateways.ROUTER, "inputs": {"name": "lab-edu-router"}}],
    PORTAL: [router("lab-portal-router", "n1")],  # it has an edge
    NETWORK: [router("lab-platform-hub", "n1"), router("lab-platform-former", "n1")],
}


def test_only_what_the_plan_has_without_a_way_out_is_closed_and_the_state_learns_of_it() -> None:
    there = run(STATES)
    assert gateways.due(there, STATES) == {EDU: {"lab-edu-router": "id of lab-edu-router"}}
    gateways.close(there, STATES)
    there.connections["north"].network.update_router.assert_called_once_with("id of lab-edu-router", external_gateway_info={})
    assert there.refreshed == [EDU]


def test_where_nothing_is_open_nobody_is_asked() -> None:
    there = run({EDU: [router("lab-edu-router", "")], StackKey("lab", "east", "network"): [router("x", "n1")]})
    gateways.close(there, [EDU, PORTAL, StackKey("lab", "east", "network"), StackKey("lab", "north", "tenant-gone")])
    assert there.connections["north"].mock_calls == []
    assert there.refreshed == []


def test_what_the_cloud_refuses_is_told() -> None:
    there = run(STATES)
    there.connections["north"].network.update_router.side_effect = ConflictException("required by one or more floating IPs")
    with pytest.raises(LzError, match="lab-edu-router keeps its way out"):
        gateways.close(there, STATES)
