"""Preflight on the live lab: silent when all is well; what somebody made too small by one, or takes a name of ours, is found."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Iterator
from typing import Any

import pytest
from openstack.connection import Connection

from lab.settings import Places
from landing_zone.engine.opening import load_plan
from landing_zone.preflight import CHECKS
from tests.support.command import lz

pytestmark = [pytest.mark.lab, pytest.mark.timeout(600)]
HERE = ("--env", "lab", "--region", "north")


@pytest.fixture(scope="module", autouse=True)
def nothing_stands(equipped: Places) -> Iterator[None]:
    assert lz("down", *HERE, "--yes").returncode == 0
    yield
    assert lz("down", *HERE, "--yes").returncode == 0


def found(code: int = 1) -> list[str]:
    """What preflight says."""
    done = lz("preflight", *HERE, "--json")
    assert done.returncode == code, done.stdout + done.stderr
    findings = json.loads(done.stdout)
    assert [each["check"] for each in findings] == [check.title for check in CHECKS]
    problems = [problem for each in findings for problem in each["problems"]]
    assert all(problem["cure"] for problem in problems)
    return [problem["what"] for problem in problems]


def test_a_healthy_lab_is_ready(admin: Connection) -> None:
    assert found(0) == []
    shown = lz("preflight", *HERE)
    assert shown.returncode == 0
    assert [line.split()[-1] for line in shown.stdout.splitlines() if line.startswith("north")] == ["pass"] * len(CHECKS)


@contextlib.contextmanager
def sharing_policies(admin: Connection, limit: int) -> Iterator[None]:
    project = admin.current_project_id
    admin.network.put(f"/quotas/{project}", json={"quota": {"rbac_policy": limit}}).raise_for_status()
    try:
        yield
    finally:
        admin.network.delete(f"/quotas/{project}").raise_for_status()


def test_the_administrators_quota_short_by_one(admin: Connection) -> None:
    used = admin.network.get_quota(str(admin.current_project_id), details=True).rbac_policies["used"]
    needed = used + 2 * load_plan("lab").regions["north"].demand.created.rbac_policies
    with sharing_policies(admin, needed - 1):
        assert found() == [f"region north: the administrator's project may have {needed - 1} sharing policies, {needed} are needed"]
    with sharing_policies(admin, needed):
        assert found(0) == []


def test_an_image_counts_for_those_who_see_it(admin: Connection) -> None:
    name = load_plan("lab").regions["north"].access.bastion.image
    images: Any = admin.image
    made = images.create_image(
        name, data=b"a little", disk_format="raw", container_format="bare", wait=True, allow_duplicates=True, visibility="private"
    )
    try:
        assert found(0) == []
        images.update_image(made, visibility="public")
        assert found() == [f"region north does not have exactly one usable image {name!r}"]
    finally:
        images.delete_image(made)


def test_a_dns_zone_of_another_project_around_ours(admin: Connection) -> None:
    dns: Any = admin.dns
    above = "north.lab.gclz.internal."
    made = dns.create_zone(name=above, email="hostmaster@example.org", ttl=300)
    try:
        said = found()
        region = load_plan("lab").regions["north"]
        planned = [zone.name for layer in (region.network, *(each.network for each in region.tenants.values())) for zone in layer.dns_zones]
        assert said == [f"region north: DNS zone {name!r} cannot be made below {above!r} of another project" for name in planned]
    finally:
        dns.delete_zone(made)
        while any(zone.id == made.id for zone in dns.zones()):
            time.sleep(0.5)


def test_a_project_by_hand_in_a_domain_of_ours(admin: Connection) -> None:
    """Its name has capitals, which Keystone's database does not tell apart."""
    assert lz("up", *HERE, "--layer", "identity", "--yes").returncode == 0
    identity: Any = admin.identity
    domain = identity.find_domain("lab-platform", ignore_missing=False)
    made = identity.create_project(name="LAB-Edu-Network", domain_id=domain.id)
    try:
        assert found() == ["region north has a project 'lab-edu-network' that is not ours"]
    finally:
        identity.delete_project(made)
