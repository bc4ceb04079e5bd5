"""The state in a bucket of the lab's own Swift, by one setting of the environment file: `lz` and plain `pulumi` find it there."""

from __future__ import annotations

import contextlib
import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from openstack.connection import Connection
from openstack.exceptions import NotFoundException

from lab.settings import Places, Region
from landing_zone.engine.clouds import keystone
from landing_zone.engine.home import Home
from landing_zone.engine.opening import environment_file
from tests.support.command import lz
from tests.support.without_lz import without_lz

pytestmark = [pytest.mark.lab, pytest.mark.timeout(600)]

CODE = "inbucket"
PART = ("--region", "north", "--layer", "identity")


@pytest.fixture(scope="module")
def kept(equipped: Places, north: Region, admin: Connection, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """An environment whose state lies in a bucket; its identities stand. Afterwards nothing of it is left."""
    file = tmp_path_factory.mktemp("bucket") / f"{CODE}.yaml"
    setting = f'\nstate: {{backend: s3, url: "s3://{CODE}-state/deep?endpoint=https://{north.api}:8080&region=north"}}\n'
    file.write_text(environment_file("lab").read_text().replace("code: lab\n", f"code: {CODE}\n") + setting)
    home, bucket = Home.of(CODE), f"{CODE}-state"
    if bucket not in {one.name for one in admin.object_store.containers()}:
        shutil.rmtree(home.root, ignore_errors=True)  # of a killed run, whose bucket went with its lab
    try:
        up = lz("up", "--env", str(file), *PART, "--yes")
        assert up.returncode == 0, up.stderr
        yield file
        down = lz("down", "--env", str(file), *PART, "--yes")
        assert down.returncode == 0, down.stderr
    finally:
        with contextlib.suppress(NotFoundException):
            for entry in admin.object_store.objects(bucket):
                admin.object_store.delete_object(entry.name, container=bucket)
            admin.object_store.delete_container(bucket)
        key = home.root / "s3-credentials"
        for credential in keystone(admin).credentials(type="ec2", user_id=admin.current_user_id):
            if key.exists() and json.loads(credential.blob)["access"] in key.read_text():
                keystone(admin).delete_credential(credential)
        shutil.rmtree(home.root, ignore_errors=True)


def test_the_state_is_in_the_bucket_and_nowhere_else(kept: Path, admin: Connection) -> None:
    names = [entry.name for entry in admin.object_store.objects(f"{CODE}-state")]
    assert any(name.startswith("deep/.pulumi/") and f"{CODE}.north.identity" in name for name in names), names
    home = Home.of(CODE)
    assert not list(home.backend.rglob("*.json")) if home.backend.exists() else True
    secrets = [path.read_text() for path in (home.root / "secrets").iterdir()] + [home.passphrase.read_text()]
    assert len(secrets) > 1
    for name in names:
        content = bytes(admin.object_store.download_object(name, container=f"{CODE}-state")).decode(errors="replace")
        assert not [secret for secret in secrets if secret in content], name


def test_lz_finds_it_there_and_a_second_plan_is_empty(kept: Path) -> None:
    plan = lz("plan", "--env", str(kept), *PART, "--full", "--json")
    assert plan.returncode == 0, plan.stderr
    assert [set(stack["changes"]) for stack in json.loads(plan.stdout)] == [{"same"}]
    status = json.loads(lz("status", "--env", str(kept), *PART, "--json").stdout)
    assert [(row["layer"], row["state"]) for row in status] == [("identity", "stands")]
    assert json.loads(lz("state", "doctor", "--env", str(kept), "--json").stdout) == {"found": [], "left": []}


def test_plain_pulumi_finds_it_there_too(kept: Path) -> None:
    done = without_lz(str(kept), "pulumi stack ls --json")
    assert done.returncode == 0, done.stderr
    assert f"{CODE}.north.identity" in done.stdout
