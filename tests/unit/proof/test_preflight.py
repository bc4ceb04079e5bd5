"""Each thing that preflight looks for: found with a cure when it is wrong, silent when it is right."""

from __future__ import annotations

import time
from email.utils import formatdate
from functools import cache
from typing import Any
from unittest.mock import MagicMock

import pytest
from openstack.exceptions import SDKException

from landing_zone import preflight
from landing_zone.engine.clouds import Cloud
from landing_zone.engine.opening import load_plan
from landing_zone.engine.runs import Run
from landing_zone.planners.plan import RegionPlan

CLOUD = Cloud("lab-north", "https://cloud.example/v3", None)


@cache
def region() -> RegionPlan:
    return load_plan("lab").regions["north"]


class Thing:
    def __init__(self, name: str, **more: Any) -> None:
        self.name = name
        self.id = f"id-of-{name}"
        for key, value in more.items():
            setattr(self, key, value)


def good() -> MagicMock:
    """A cloud in which everything is as the plan needs it."""
    made = MagicMock()
    names = [*region().demand.services]
    made.service_catalog = [{"type": {"block-storage": "volumev3"}.get(name, name)} for name in names]
    made.network.networks.return_value = [Thing("public")]
    made.compute.flavors.return_value = [Thing(name) for name in region().demand.flavors]
    made.image.images.side_effect = lambda name: [Thing(name, status="active")]
    made.identity.roles.return_value = [Thing(name) for name in ("admin", "manager", "member", "reader")]
    made.identity.find_domain.return_value = None
    made.session.get.return_value.headers = {"Date": formatdate(time.time(), usegmt=True)}
    made.network.get_quota.return_value.rbac_policies = {"limit": -1, "used": 0, "reserved": 0}
    return made


def examined(connection: MagicMock, domains: dict[str, str] | None = None) -> list[str]:
    stacks = MagicMock()
    stacks.domains.return_value = domains or {}
    stacks.resources.return_value = []
    stacks.standing.return_value = frozenset()
    run = Run(load_plan("lab"), stacks, {"lab-north": CLOUD}, {"north": connection}, lambda _: None)
    found = preflight.examine(run)
    assert all(problem.cure for problem in found)
    return [problem.what for problem in found]


def test_a_good_cloud_is_ready() -> None:
    assert examined(good()) == []


def test_everything_that_is_missing_is_told_at_once() -> None:
    connection = good()
    connection.service_catalog = [service for service in connection.service_catalog if service["type"] != "dns"]
    connection.network.networks.return_value = [Thing("outside")]
    connection.compute.flavors.return_value = []
    connection.identity.roles.return_value = [Thing("admin")]
    said = examined(connection)
    assert "region north has no dns service" in said
    assert "region north has no external network 'public'" in said
    assert "region north has no flavor 'SCS-1L-1-5'" in said
    assert "region north has no role 'manager'" in said


@pytest.mark.parametrize(
    "images", [[], [Thing("debian-13", status="queued")], [Thing("debian-13", status="active"), Thing("debian-13", status="active")]]
)
def test_there_must_be_exactly_one_usable_image(images: list[Thing]) -> None:
    connection = good()
    connection.image.images.side_effect = lambda name: images
    assert examined(connection) == ["region north does not have exactly one usable image 'debian-13'"]


def test_clocks_that_are_apart() -> None:
    connection = good()
    connection.session.get.return_value.headers = {"Date": formatdate(time.time() - 3600, usegmt=True)}
    assert examined(connection)[0].startswith("the clocks of this machine and of region north are 36")


def test_a_domain_of_our_name_that_is_not_ours() -> None:
    connection = good()
    connection.identity.find_domain.side_effect = lambda name, ignore_missing: Thing(name) if name == "lab-edu" else None
    assert examined(connection) == ["region north has a domain 'lab-edu' that is not ours"]
    assert examined(connection, {"lab-edu": "id-of-lab-edu"}) == []


def test_room_for_sharing_policies() -> None:
    connection = good()
    needed = 2 * region().demand.created.rbac_policies
    connection.network.get_quota.return_value.rbac_policies = {"limit": needed, "used": 1, "reserved": 0}
    assert examined(connection)[0].endswith(f"{needed + 1} are needed")
    connection.network.get_quota.return_value.rbac_policies = {"limit": needed + 1, "used": 1, "reserved": 0}
    assert examined(connection) == []


def test_a_service_that_does_not_answer_is_a_problem_too() -> None:
    connection = good()
    connection.compute.flavors.side_effect = SDKException("500")
    assert examined(connection) == ["region north: flavors could not be checked"]
