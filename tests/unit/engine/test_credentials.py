"""Application credentials: made once, kept in one file, made anew before they end, and nothing of ours left in the cloud."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import MagicMock

import pytest
import yaml
from openstack.exceptions import HttpException

from foundation.errors import LzError
from landing_zone.engine import credentials
from landing_zone.engine.clouds import Cloud
from landing_zone.engine.home import Home
from landing_zone.engine.runs import Run
from landing_zone.engine.stack import StackKey
from tests.unit.engine.support import FakeStacks, plan

KEY = StackKey("lab", "north", "tenant-edu")
NAMES = ["lab-edu-main-member", "lab-edu-main-reader"]


class Keystone:
    """The credentials of one account, as far as we use them."""

    def __init__(self) -> None:
        self.there: dict[str, Any] = {}
        self.asked = 0
        self.broken = False

    def application_credentials(self, user: str) -> Iterator[Any]:
        self.asked += 1
        yield from list(self.there.values())

    def create_application_credential(self, user: str, name: str, **body: Any) -> Any:
        if self.broken:
            raise HttpException("not now")
        identity = f"ac-{name}"
        self.there[identity] = SimpleNamespace(id=identity, name=name, secret=f"secret of {identity}", user=user, **body)
        return self.there[identity]

    def delete_application_credential(self, user: str, identity: str) -> None:
        del self.there[identity]


@dataclass
class Ground:
    run: Run
    keystone: Keystone
    stacks: Any

    @property
    def file(self) -> Path:
        return credentials.file_of(self.run.stacks.home, "north", "edu")

    @property
    def kept(self) -> dict[str, credentials.Credential]:
        return credentials.kept(self.file)

    def ensure(self, **how: bool) -> None:
        credentials.ensure(self.run, [KEY], **how)


@pytest.fixture
def ground(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Ground:
    keystone = Keystone()
    stacks: Any = FakeStacks(Home(tmp_path), stands={KEY.name}, ids={"tenant-edu": [{"machine-user": {"lab-edu-automation": "u1"}}]})
    cloud = Cloud("lab-north", "https://cloud.example/v3", "CA")
    monkeypatch.setattr("landing_zone.engine.clouds.connect", lambda *_, **__: MagicMock(identity=keystone))
    return Ground(Run(plan(), stacks, {"lab-north": cloud}, {}, lambda _: None), keystone, stacks)


def test_each_project_gets_one_that_changes_and_one_that_reads(ground: Ground) -> None:
    ground.ensure()
    assert sorted(ground.kept) == NAMES
    member, reader = (ground.keystone.there[ground.kept[name].id] for name in NAMES)
    assert (member.roles, reader.roles) == ([{"name": "member"}], [{"name": "reader"}])
    assert {rule["method"] for rule in reader.access_rules} == {"GET", "HEAD"}
    assert {rule["method"] for rule in member.access_rules} > {"POST", "DELETE"}
    for made in (member, reader):
        assert made.unrestricted is False
        assert datetime.strptime(made.expires_at, credentials.ENDS).replace(tzinfo=UTC) - datetime.now(UTC) <= credentials.LIFETIME
        assert "identity" not in {rule["service"] for rule in made.access_rules}


def test_the_file_is_private_and_what_clients_read(ground: Ground) -> None:
    ground.ensure()
    assert ground.file.stat().st_mode & 0o077 == 0
    entry = yaml.safe_load(ground.file.read_text())["clouds"]["lab-edu-main-member"]
    assert entry["auth"]["application_credential_secret"] == f"secret of {entry['auth']['application_credential_id']}"
    assert (entry["auth_type"], entry["region_name"]) == ("v3applicationcredential", "north")
    assert Path(entry["cacert"]).read_text() == "CA"
    assert "secret of" not in repr(ground.kept)


def test_the_file_names_the_region_as_its_cloud_does(ground: Ground, monkeypatch: pytest.MonkeyPatch) -> None:
    planned, asked = ground.run.plan, []

    def connect(_: Cloud, region: str, **__: str) -> MagicMock:
        asked.append(region)
        return MagicMock(identity=ground.keystone)

    monkeypatch.setattr("landing_zone.engine.clouds.connect", connect)
    there = replace(planned.regions["north"], cloud_region="RegionOne")
    ground.run.plan = replace(planned, regions={**planned.regions, "north": there})
    ground.ensure()
    assert {entry["region_name"] for entry in yaml.safe_load(ground.file.read_text())["clouds"].values()} == {"RegionOne"}
    assert set(asked) == {"RegionOne"}


def test_a_second_time_nothing_is_done_and_nothing_asked(ground: Ground) -> None:
    ground.ensure()
    before, asked = ground.file.read_text(), ground.keystone.asked
    ground.ensure()
    assert (ground.file.read_text(), ground.keystone.asked) == (before, asked)
    ground.ensure(look=True)
    assert ground.file.read_text() == before


def test_what_is_made_anew_is_told_once_and_not_as_if_the_cloud_had_moved(ground: Ground) -> None:
    ground.ensure()
    said: list[str] = []
    ground.run.say = said.append
    ground.ensure(rotate=True)
    (line,) = said
    assert "made the application credentials" in line


@pytest.mark.parametrize("look", [False, True])
@pytest.mark.parametrize(
    "cloud",
    [Cloud("lab-north", "https://moved.example/v3", "CA"), Cloud("lab-north", "https://cloud.example/v3", "CA 2")],
    ids=["address", "authority"],
)
def test_when_the_cloud_moves_the_file_follows_with_the_same_credentials(ground: Ground, cloud: Cloud, look: bool) -> None:
    ground.ensure()
    kept, there = ground.kept, dict(ground.keystone.there)
    said: list[str] = []
    ground.run.clouds, ground.run.say = {"lab-north": cloud}, said.append
    ground.ensure(look=look)
    entries = yaml.safe_load(ground.file.read_text())["clouds"]
    assert {entry["auth"]["auth_url"] for entry in entries.values()} == {cloud.auth_url}
    assert {Path(entry["cacert"]).read_text() for entry in entries.values()} == {cloud.ca}
    assert (ground.kept, ground.keystone.there) == (kept, there)
    assert len(said) == 1
    assert cloud.auth_url in said[0]
    ground.ensure(look=look)
    assert len(said) == 1


def test_a_cloud_that_gets_a_certificate_of_a_known_authority_needs_no_other(ground: Ground) -> None:
    ground.ensure()
    ground.run.clouds = {"lab-north": Cloud("lab-north", "https://cloud.example/v3", None)}
    ground.ensure()
    assert "cacert" not in ground.file.read_text()


def age(ground: Ground) -> None:
    text = ground.file.read_text()
    ends = ground.kept[NAMES[0]].ends
    soon = datetime.now(UTC) + credentials.RENEW - timedelta(days=1)
    ground.file.write_text(text.replace(ends.strftime(credentials.ENDS), soon.strftime(credentials.ENDS)))


def another_account(ground: Ground) -> None:
    ground.stacks.ids = {"tenant-edu": [{"machine-user": {"lab-edu-automation": "u2"}}]}
    ground.keystone.there.clear()


def lose_file(ground: Ground) -> None:
    ground.file.unlink()


@pytest.mark.parametrize("change", [age, another_account, lose_file])
def test_they_are_made_anew_and_the_old_ones_go(ground: Ground, change: Any) -> None:
    ground.ensure()
    old = set(ground.keystone.there)
    change(ground)
    ground.ensure()
    assert set(ground.keystone.there) == {one.id for one in ground.kept.values()}
    assert not old & set(ground.keystone.there)


def test_one_that_somebody_deleted_is_made_anew_when_the_cloud_is_looked_at(ground: Ground) -> None:
    ground.ensure()
    gone, stays = (ground.kept[name].id for name in NAMES)
    del ground.keystone.there[gone]
    ground.ensure(look=True)
    assert ground.kept[NAMES[1]].id == stays
    assert set(ground.keystone.there) == {one.id for one in ground.kept.values()}


def test_rotation_makes_all_anew_and_ends_the_old_ones(ground: Ground) -> None:
    ground.ensure()
    old = set(ground.keystone.there)
    ground.ensure(rotate=True)
    assert len(ground.keystone.there) == 2
    assert not old & set(ground.keystone.there)


def test_what_a_killed_run_made_is_removed_and_what_others_made_is_not(ground: Ground) -> None:
    for name in ("lab-edu-main-member-20260101T000000000000Z", "by-hand", "lab-edu-other-20260101T000000000000Z"):
        ground.keystone.create_application_credential("u1", name)
    ground.ensure()
    names = {one.name for one in ground.keystone.there.values()}
    assert {"by-hand", "lab-edu-other-20260101T000000000000Z"} <= names
    assert len(names) == 4


def test_one_of_a_project_that_is_no_longer_planned_goes(ground: Ground) -> None:
    ground.ensure()
    region = ground.run.plan.regions["north"]
    tenant = region.tenants["edu"]
    fewer = replace(tenant, identity=replace(tenant.identity, credentials=tenant.identity.credentials[:1]))
    region = replace(region, tenants={**region.tenants, "edu": fewer})
    ground.run.plan = replace(ground.run.plan, regions={**ground.run.plan.regions, "north": region})
    ground.ensure()
    assert list(ground.kept) == NAMES[:1]
    assert len(ground.keystone.there) == 1


def test_what_does_not_work_is_told_with_the_tenant_and_nothing_is_half_kept(ground: Ground) -> None:
    ground.keystone.broken = True
    with pytest.raises(LzError, match="application credentials of edu") as caught:
        ground.ensure()
    assert "not now" in caught.value.problems[0].why
    assert not ground.file.exists()


@pytest.mark.parametrize("ids", [{}, {"tenant-edu": [{}]}, {"tenant-edu": [{"machine-user": {}}]}])
def test_a_tenant_that_is_half_made_is_told_with_what_makes_it_whole(ground: Ground, ids: dict[str, Any]) -> None:
    ground.stacks.ids = ids
    with pytest.raises(LzError, match="tenant edu is not made in full") as caught:
        ground.ensure(look=True)
    (problem,) = caught.value.problems
    assert "region north" in problem.where
    assert problem.cure == "lz up --env lab --region north --tenant edu, then run the same command again"
    assert not ground.file.exists()


def test_a_stack_of_a_region_that_is_no_longer_planned_is_passed_over(ground: Ground) -> None:
    credentials.ensure(ground.run, [StackKey("lab", "east", "tenant-edu"), KEY])
    assert sorted(ground.kept) == NAMES


def test_only_tenants_that_stand_get_some_and_the_file_goes_with_the_stack(ground: Ground) -> None:
    credentials.ensure(ground.run, [StackKey("lab", "north", "tenant-health"), StackKey("lab", "north", "network")])
    assert ground.keystone.there == {}
    ground.ensure()
    credentials.forget(ground.run.stacks.home, StackKey("lab", "north", "network"))
    assert ground.file.exists()
    credentials.forget(ground.run.stacks.home, KEY)
    assert not ground.file.exists()


@pytest.mark.parametrize("text", ["clouds: {edu: [secret", "clouds: {edu: {auth: secret}}", "secret"])
def test_a_file_that_cannot_be_read_is_told_by_its_path_and_without_what_is_in_it(ground: Ground, text: str) -> None:
    ground.file.write_text(text)
    with pytest.raises(LzError, match="application credentials cannot be read") as caught:
        ground.ensure()
    (problem,) = caught.value.problems
    assert problem.where == str(ground.file)
    assert "secret" not in problem.why
    assert ground.file.read_text() == text
