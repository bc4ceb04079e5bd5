"""A standing environment whose file is edited: `plan` tells it, `up` makes it in an order that the cloud takes, and then the cloud is
what the file says. One edit that the seed chooses is of `make test`, the others follow in `make test-long`."""

from __future__ import annotations

import json
import os
import random
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from openstack.connection import Connection

from lab.settings import Places
from landing_zone.engine.home import Home
from landing_zone.engine.opening import environment_file
from tests.support import census
from tests.support.command import lz

pytestmark = [pytest.mark.lab, pytest.mark.timeout(600)]

CODE, IMAGE, COPY = "edited", "debian-13", "Debian 13 (a copy)"
SEED = int(os.environ.get("LZ_TEST_SEED", "20261128"))
Content = dict[str, Any]


def tenant(content: Content, code: str) -> Content:
    return next(one for one in content["tenants"] if one["code"] == code)


def another_image(content: Content) -> None:
    content["bastion"]["image"] = COPY


def another_domain(content: Content) -> None:
    content["domain"] = "other.gclz.internal"


def no_way_out(content: Content) -> None:
    tenant(content, "portal")["zones"] = ["application"]


def a_zone_more(content: Content) -> None:
    tenant(content, "edu")["zones"] = ["application", "data", "edge"]


def smaller_limits(content: Content) -> None:
    content["quota_profiles"][0] |= {"instances": 3, "cores": 6, "object_gib": 5}


EDITS: dict[str, Callable[[Content], None]] = {
    "another image for the bastion": another_image,
    "another domain": another_domain,
    "a tenant without its way out": no_way_out,
    "a tenant with a zone more": a_zone_more,
    "smaller limits": smaller_limits,
}
CHOSEN = random.Random(SEED).choice([*EDITS])


@pytest.fixture(scope="module")
def standing(equipped: Places, admin: Connection, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The file of an environment of one region and two tenants, which stands. Afterwards nothing of it is left."""
    content = yaml.safe_load(environment_file("lab").read_text())
    content |= {"code": CODE, "domain": f"{CODE}.gclz.internal", "regions": content["regions"][:1]}
    del content["regions"][0]["counterpart"]
    content["tenants"] = [tenant(content, "edu"), tenant(content, "portal")]
    file = tmp_path_factory.mktemp("edits") / f"{CODE}.yaml"
    write(file, content)
    before = census.take(admin)
    copy_image(admin)
    try:
        up = lz("up", "--env", str(file), "--yes")
        assert up.returncode == 0, up.stderr
        yield file
    finally:
        down = lz("down", "--env", str(file), "--yes")
        admin.image.delete_image(admin.image.find_image(COPY, ignore_missing=False).id)
    assert down.returncode == 0, down.stderr
    assert census.differences(before, census.take(admin)) == []
    shutil.rmtree(Home.of(CODE).root)


def copy_image(admin: Connection) -> None:
    images: Any = admin.image
    image = images.find_image(IMAGE, ignore_missing=False)
    form = {key: image[key] for key in ("container_format", "disk_format", "min_disk", "min_ram")}
    images.create_image(COPY, data=images.download_image(image).content, visibility="public", wait=True, **form)


def write(file: Path, content: Content) -> None:
    file.write_text(yaml.safe_dump(content, allow_unicode=True))


def planned(env: str, *words: str) -> list[dict[str, Any]]:
    """What is to be done: stacks with changes, limits or ways out."""
    plan = lz("plan", "--env", env, "--json", *words)
    assert plan.returncode == 0, plan.stderr
    return [one for one in json.loads(plan.stdout) if {*one["changes"]} - {"same"} or one["limits"] or one["gateways"]]


@pytest.mark.parametrize(
    "edit", [pytest.param(edit, id=name, marks=() if name == CHOSEN else (pytest.mark.long,)) for name, edit in EDITS.items()]
)
def test_what_is_edited_is_told_made_and_then_so(standing: Path, edit: Callable[[Content], None]) -> None:
    env, content = str(standing), yaml.safe_load(standing.read_text())
    edit(content)
    write(standing, content)
    assert planned(env) != []
    up = lz("up", "--env", env, "--yes")
    assert up.returncode == 0, up.stderr
    assert planned(env, "--full") == []
    drift = lz("drift", "--env", env, "--json")
    assert (drift.returncode, json.loads(drift.stdout)["differences"]) == (0, []), drift.stderr
    entered = lz("ssh", "--env", env, "bastion", "true")
    assert entered.returncode == 0, entered.stderr


@pytest.mark.long
def test_a_tenant_that_left_the_file_is_taken_down_by_its_name(standing: Path) -> None:
    env, content = str(standing), yaml.safe_load(standing.read_text())
    content["tenants"].remove(tenant(content, "portal"))
    write(standing, content)
    up = lz("up", "--env", env, "--yes")
    assert up.returncode == 0, up.stderr
    assert f"{CODE}.north.tenant-portal stands, but the environment file no longer asks for it" in up.stdout
    down = lz("down", "--env", env, "--tenant", "portal", "--yes", "--json")
    assert (down.returncode, [one["stack"] for one in json.loads(down.stdout)]) == (0, [f"{CODE}.north.tenant-portal"]), down.stderr
    drift = lz("drift", "--env", env, "--json")
    assert (drift.returncode, json.loads(drift.stdout)["differences"]) == (0, []), drift.stderr
