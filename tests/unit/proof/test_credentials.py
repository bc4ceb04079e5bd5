"""Application credentials as the cloud has them: how long each still lives, and whether it may more than is planned."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import MagicMock

import pytest
import yaml
from openstack.exceptions import HttpException

from landing_zone.engine import credentials as engine
from landing_zone.engine.home import Home
from landing_zone.engine.runs import Run, Selection
from landing_zone.proof.credentials import check_tenant
from landing_zone.proof.results import Result, Verdict
from landing_zone.proof.verify import _credentials
from tests.unit.engine.support import FakeStacks, plan

TENANT = plan().regions["north"].tenants["edu"]
MEMBER, READER = (spec.name for spec in TENANT.identity.credentials)
IDS = {"machine-user": {"lab-edu-automation": "u1"}, "project": {"lab-edu-main": "p1"}}


class Ground:
    """A tenant's file on this machine and its credentials in the cloud: both as `lz up` makes them, until a test changes them."""

    def __init__(self, folder: Path) -> None:
        self.home = Home(folder)
        self.there = {spec.name: made(spec.name, spec.role) for spec in TENANT.identity.credentials}
        self.file = engine.file_of(self.home, "north", "edu")
        auth = {name: {"application_credential_id": f"ac-{name}", "application_credential_secret": "secret"} for name in self.there}
        note = {"user": "u1", "ends": "2099-01-01T00:00:00Z"}  # what is written here proves nothing
        self.file.write_text(yaml.safe_dump({"clouds": {name: {"auth": auth[name], engine.NOTE: note} for name in self.there}}))
        self.connection = MagicMock()
        self.connection.identity.application_credentials.side_effect = lambda user: list(self.there.values()) if user == "u1" else []

    def results(self, ids: Any = None) -> list[Result]:
        return list(check_tenant(self.connection, self.home, "north", TENANT, IDS if ids is None else ids))

    def of(self, control: str, name: str = MEMBER) -> tuple[Verdict, str]:
        (found,) = [one for one in self.results() if one.control == control and f" {name} " in one.check]
        return found.verdict, found.seen


def made(name: str, role: str) -> Any:
    roles = [{"id": "r", "name": one} for one in dict.fromkeys((role, "reader"))]  # as Keystone lists them: with what a role implies
    return SimpleNamespace(
        id=f"ac-{name}", unrestricted=False, project_id="p1", roles=roles, access_rules=engine.access_rules(role),
        expires_at=keystone_time(timedelta(days=60, minutes=1)),
    )  # fmt: skip


def keystone_time(ahead: timedelta) -> str:
    return (datetime.now(UTC) + ahead).strftime("%Y-%m-%dT%H:%M:%S.000000")


@pytest.fixture
def ground(tmp_path: Path) -> Ground:
    return Ground(tmp_path)


def test_each_has_its_life_and_its_bounds_judged(ground: Ground) -> None:
    found = ground.results()
    assert [(one.control, one.region, one.verdict) for one in found] == [
        ("CRY-04", "north", Verdict.PASS), ("IAM-05", "north", Verdict.PASS),
    ] * 2  # fmt: skip
    assert "it ends in 60 days" in found[0].seen
    assert not any("secret" in one.seen for one in found)


@pytest.mark.parametrize(
    ("ahead", "verdict", "seen"),
    [
        (engine.RENEW + timedelta(hours=1), Verdict.PASS, "it ends in 30 days"),
        (engine.RENEW - timedelta(hours=1), Verdict.FAIL, "it ends in 29 days"),
        (timedelta(hours=1), Verdict.FAIL, "it ends in 0 days"),
        (timedelta(hours=-1), Verdict.FAIL, "it ended on "),
    ],
)
def test_days_are_counted_by_the_cloud_and_not_by_the_file(ground: Ground, ahead: timedelta, verdict: Verdict, seen: str) -> None:
    ground.there[MEMBER].expires_at = keystone_time(ahead)
    found = ground.of("CRY-04")
    assert found[0] is verdict
    assert found[1].startswith(seen)
    assert ground.of("CRY-04", READER)[0] is Verdict.PASS


@pytest.fixture
def in_vietnam(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "ICT-7")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.usefixtures("in_vietnam")
def test_the_clouds_times_are_not_those_of_the_place(ground: Ground) -> None:
    ground.there[MEMBER].expires_at = keystone_time(engine.RENEW + timedelta(hours=1))
    assert ground.of("CRY-04")[0] is Verdict.PASS


def test_one_that_never_ends_fails_both_ways(ground: Ground) -> None:
    ground.there[MEMBER].expires_at = None
    assert ground.of("CRY-04") == (Verdict.FAIL, "it never ends")
    assert ground.of("IAM-05") == (Verdict.FAIL, "it has no end")


def test_one_that_is_recorded_and_not_in_the_cloud_fails(ground: Ground) -> None:
    del ground.there[MEMBER]
    assert ground.of("CRY-04") == (Verdict.FAIL, f"ac-{MEMBER} is in the tenant's file and not in the cloud")
    assert ground.of("IAM-05")[0] is Verdict.UNKNOWN


@pytest.mark.parametrize(
    ("value", "seen"),
    [
        ({"unrestricted": True}, "it is not restricted"),
        ({"unrestricted": None}, "it is not restricted"),
        ({"project_id": "p2"}, "it is of another project: p2"),
        ({"roles": [{"name": "reader"}, {"name": "admin"}]}, "it has the role admin"),
        ({"roles": [{"name": "reader"}, {"name": "member"}]}, "it has the role member"),
        ({"access_rules": None}, "it has no access rules"),
        ({"access_rules": engine.access_rules("member")}, "it may call block-storage DELETE /**, "),
        ({"access_rules": [{"service": "identity", "method": "GET", "path": "/**"}]}, "it may call identity GET /**"),
    ],
)
def test_whatever_it_may_beyond_its_plan_fails(ground: Ground, value: dict[str, Any], seen: str) -> None:
    vars(ground.there[READER]).update(value)
    found = ground.of("IAM-05", READER)
    assert found[0] is Verdict.FAIL
    assert found[1].startswith(seen)
    assert ground.of("CRY-04", READER)[0] is Verdict.PASS


@pytest.mark.parametrize(
    ("value", "seen"),
    [
        ({"roles": [{"name": "reader"}]}, "it lacks the role member"),
        ({"roles": []}, "it lacks the role member"),
        ({"access_rules": engine.access_rules("reader")}, "it may not call block-storage DELETE /**, "),
        ({"access_rules": None}, "it has no access rules: it can call everything"),
    ],
)
def test_whatever_it_may_not_of_its_plan_fails_too(ground: Ground, value: dict[str, Any], seen: str) -> None:
    vars(ground.there[MEMBER]).update(value)
    found = ground.of("IAM-05")
    assert found[0] is Verdict.FAIL
    assert found[1].startswith(seen)
    assert ("it may not call" in found[1]) == ("it may not call" in seen)


def broken_cloud(ground: Ground) -> None:
    ground.connection.identity.application_credentials.side_effect = HttpException("503")


def broken_file(ground: Ground) -> None:
    ground.file.write_text("clouds: {edu: {auth: secret}}")


def no_file(ground: Ground) -> None:
    ground.file.unlink()


@pytest.mark.parametrize("change", [broken_cloud, broken_file, no_file])
def test_what_cannot_be_read_could_not_be_evaluated(ground: Ground, change: Callable[[Ground], None]) -> None:
    change(ground)
    found = ground.results()
    assert {one.verdict for one in found} == {Verdict.UNKNOWN}
    assert len(found) == 4
    assert not any("secret" in one.seen for one in found)


def test_a_tenant_that_does_not_stand_could_not_be_evaluated(ground: Ground) -> None:
    assert {one.verdict for one in ground.results(ids={})} == {Verdict.UNKNOWN}


@pytest.mark.parametrize(
    ("part", "tenants"),
    [(Selection(), {"edu", "health", "portal"}), (Selection(tenants=frozenset({"edu"})), {"edu"}),
     (Selection(layers=frozenset({"network"})), set())],
)  # fmt: skip
def test_every_tenant_of_the_part_is_looked_at(ground: Ground, part: Selection, tenants: set[str]) -> None:
    stacks: Any = FakeStacks(ground.home, ids={"tenant-edu": [IDS]})
    run = Run(plan(), stacks, {}, {"north": ground.connection}, lambda _: None)
    found = list(_credentials(run, run.plan.regions["north"], part))
    assert {one.check.partition(":")[0] for one in found} == tenants
    assert all((one.verdict is Verdict.PASS) == one.check.startswith("edu:") for one in found)


def test_one_tenant_alone_is_looked_at_too(ground: Ground) -> None:
    region = plan().regions["north"]
    alone: Any = SimpleNamespace(name="north", tenants={"edu": region.tenants["edu"]})
    stacks: Any = FakeStacks(ground.home, ids={"tenant-edu": [IDS]})
    run = Run(plan(), stacks, {}, {"north": ground.connection}, lambda _: None)
    assert len(list(_credentials(run, alone, Selection()))) == 4
