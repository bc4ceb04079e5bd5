"""What projects may store of objects and secrets, on the live lab: and that the services keep to it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from openstack.connection import Connection
from openstack.exceptions import HttpException

from landing_zone.engine.credentials import as_machine
from landing_zone.engine.limits import READERS
from landing_zone.engine.runs import Run
from landing_zone.planners.plan import ProjectSpec, RegionPlan
from landing_zone.planners.quotas import KEYS, OBJECTS, by_calls
from tests.lab.conftest import PART
from tests.support.command import lz

pytestmark = [pytest.mark.lab, pytest.mark.timeout(300)]
TENANT = "edu"


def workload(region: RegionPlan) -> ProjectSpec:
    """The tenant's only project for its programs."""
    (project,) = [each for each in region.tenants[TENANT].identity.projects if each.purpose == "workload"]
    return project


@pytest.fixture(scope="module")
def robot(part: Run) -> Connection:
    """The account of the tenant's programs, in that project."""
    region = part.plan.regions["north"]
    return as_machine(part, region, region.tenants[TENANT].identity.machine_users[0], workload(region).name)


@pytest.fixture
def key_ring(robot: Connection) -> Iterator[Any]:
    """The tenant's secrets, of which none is left."""
    yield robot.key_manager
    for secret in list(robot.key_manager.secrets()):  # the library's own call for it takes the address of one for its id, and says nothing
        robot.key_manager.delete(f"/secrets/{secret.secret_ref.rsplit('/', 1)[-1]}").raise_for_status()


def planned(run: Run, connection: Connection) -> Any:
    region = run.plan.regions["north"]
    project = workload(region)
    assert connection.current_project.name == project.name
    return by_calls(project.quota, region.demand.services)


def test_no_more_objects_than_the_limit(part: Run, robot: Connection) -> None:
    limit = planned(part, robot)[OBJECTS]["bytes"]
    robot.object_store.create_container("papers")
    try:
        large = robot.object_store.put("papers/large", headers={"Content-Length": str(limit + 1)})
        assert large.status_code == 413
        assert robot.object_store.put("papers/small", data=b"x").status_code == 201
        robot.object_store.delete_object("small", container="papers")
    finally:
        robot.object_store.delete_container("papers")


def test_no_more_secrets_than_the_limit(part: Run, robot: Connection, key_ring: Any) -> None:
    limit = planned(part, robot)[KEYS]["secrets"]
    for number in range(limit):
        key_ring.create_secret(name=f"secret {number}", payload="x", payload_content_type="text/plain")
    with pytest.raises(HttpException) as caught:
        key_ring.create_secret(name="one more", payload="x", payload_content_type="text/plain")
    assert caught.value.status_code == 403


def test_an_account_of_no_reseller_is_told_before_anything_is_made(part: Run, robot: Connection) -> None:
    for read in READERS.values():
        with pytest.raises(HttpException) as caught:
            read(robot, str(part.connections["north"].current_project_id))
        assert caught.value.status_code == 403


def test_they_are_what_the_plan_says_and_stay_so(part: Run, admin: Connection, robot: Connection) -> None:
    project = str(robot.current_project_id)
    assert {service: read(admin, project) for service, read in READERS.items()} == planned(part, robot)
    assert [stack["limits"] for stack in json.loads(lz("plan", *PART, "--json").stdout)] == [[], [], []]
