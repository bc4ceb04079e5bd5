"""The golden image in the lab cloud: offered in every region; a bastion of it, and an instance behind that is entered through it."""

from __future__ import annotations

import base64
import hashlib
import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from openstack.connection import Connection

from components.access import entry_by_certificate
from lab import cloud
from lab.settings import Places, Region
from landing_zone import effective, inventory
from landing_zone.engine.credentials import as_machine
from landing_zone.engine.opening import ENVIRONMENTS, Asked, open_run
from landing_zone.engine.runs import Run
from landing_zone.image import build
from landing_zone.planners.plan import InstanceSpec
from landing_zone.proof.results import Verdict
from landing_zone.ssh.certificates import issue
from landing_zone.ssh.hosts import Host, write_config
from landing_zone.ssh.pinning import pin, unpin
from stacks.inputs import principal
from tests.support.command import lz
from tests.support.listening import ports
from tests.support.playground import await_gone

pytestmark = [pytest.mark.lab, pytest.mark.long, pytest.mark.timeout(900)]

REGION = "north"
LAYERS = ("--region", REGION, "--layer", "identity", "--layer", "network", "--layer", "access")


def golden(profile: str, env: Path, *where: str) -> str:
    """Name of the golden image of a profile, built and offered by `lz`. where: options that name regions; all without one."""
    made = lz("image", "build", "--profile", profile, "--json")
    assert made.returncode == 0, made.stderr[-3000:]
    put = lz("image", "publish", "--profile", profile, "--env", str(env), *where)
    assert put.returncode == 0, put.stderr[-3000:]
    return str(json.loads(made.stdout)["name"])


@pytest.fixture(scope="module")
def env(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The environment `lab`, as a file of its own."""
    return Path(shutil.copy(ENVIRONMENTS / "lab.yaml", tmp_path_factory.mktemp("golden")))


@pytest.fixture
def offered(equipped: Places, regions: tuple[Region, ...], env: Path) -> Iterator[dict[str, Any]]:
    """What Glance of each region says of the golden image of `base`, which `lz image publish` offers in all of them."""
    glances: dict[str, Any] = {region.name: cloud.connect(region, equipped).image for region in regions}
    known = {region: {one.id for one in glance.images()} for region, glance in glances.items()}
    try:
        name = golden("base", env)
        yield {region: glance.find_image(name) for region, glance in glances.items()}
    finally:
        for region, glance in glances.items():
            for one in [one for one in glance.images() if one.id not in known[region]]:
                glance.delete_image(one.id)


def test_every_region_offers_the_same_image_signed_and_described(offered: dict[str, Any], env: Path) -> None:
    assert len(offered) > 1
    assert {(one.status, one.visibility, one.hash_value) for one in offered.values()} == {("active", "public", published_sum())}
    said = json.loads(lz("image", "verify", "--env", str(env), "--json").stdout)
    assert {(each["region"], each["good"]) for each in said} == {(region, True) for region in offered}
    for one in offered.values():
        told = {**one.properties, "os_distro": one.os_distro, "os_version": one.os_version, "hw_disk_bus": one.hw_disk_bus}
        assert (told["os_distro"], told["os_version"], told["lz_profile"]) == ("debian", "13", "base")
        assert all(told.get(key) for key in ("image_source", "image_build_date", "hw_disk_bus", "lz_sha256", "lz_signature"))


def published_sum() -> str:
    """SHA-512 of the disk that was built, which Glance computes itself of what it was given."""
    newest = next(one for one in build.every() if one.profile == "base")
    return hashlib.sha512(newest.disk.read_bytes()).hexdigest()


@pytest.fixture(scope="module")
def run(equipped: Places, admin: Connection, env: Path) -> Iterator[Run]:
    """The environment `lab` with a bastion of the golden image: what stands of it without tenants."""
    assert lz("down", "--env", "lab", "--region", REGION, "--yes").returncode == 0
    known = {one.id for one in admin.image.images()}
    content = yaml.safe_load(env.read_text())
    for part, profile in (("bastion", "bastion"), ("verification", "base")):
        content[part]["image"] = golden(profile, env, "--region", REGION)
    env.write_text(yaml.safe_dump(content))
    try:
        up = lz("up", "--env", str(env), *LAYERS, "--yes")
        assert up.returncode == 0, up.stderr[-3000:]
        yield open_run(Asked(str(env), (REGION,)), print)[0]
    finally:
        down = lz("down", "--env", str(env), "--region", REGION, "--yes")
        for one in [one for one in admin.image.images() if one.id not in known]:
            admin.image.delete_image(one.id)
    assert down.returncode == 0, down.stderr[-3000:]


@pytest.fixture(scope="module")
def behind(run: Run, admin: Connection) -> Iterator[tuple[Host, Path]]:
    """An instance in the management zone, where a probe would be, and the ssh_config that enters it through the bastion."""
    region = run.plan.regions[REGION]
    spec = region.probes.instances[0]
    bastion = inventory.hosts(run.plan, run.stacks, [REGION])[0]
    server, port = boot(admin, spec, run)
    one = Host(spec.hostname, REGION, server.id, spec.addresses[0][1], spec.user, bastion.name)
    home = run.stacks.home
    made = issue(home, [principal(run.plan.code, REGION)], 15)
    try:
        pin(home, [one], lambda _: admin)
        yield one, write_config(home, [bastion, one], [made], made.config)
    finally:
        unpin(home, [one.name])
        made.discard()
        compute: Any = admin.compute
        compute.delete_server(server)
        await_gone(admin, server)
        admin.network.delete_port(port)


def boot(admin: Connection, spec: InstanceSpec, run: Run) -> tuple[Any, Any]:
    """The server of a planned instance and its port, made with the plain SDK as the layers make theirs."""
    plan = run.plan.regions[REGION]
    owner = as_machine(run, plan, plan.identity.machine_users[0], spec.project)
    network: Any = admin.network
    compute: Any = owner.compute
    image: Any = owner.image
    port = network.create_port(
        name=spec.name, network_id=network.find_network(spec.network).id, project_id=owner.current_project_id,
        fixed_ips=[{"subnet_id": network.find_subnet(subnet).id, "ip_address": ip} for subnet, ip in spec.addresses],
        security_groups=[network.find_security_group(group).id for group in spec.security_groups],
    )  # fmt: skip
    entry = entry_by_certificate(spec.user, run.stacks.home.user_ca_public, (spec.hostname, principal(run.plan.code, REGION)))
    server = compute.create_server(
        name=spec.name, flavor_id=compute.find_flavor(spec.flavor).id, image_id=image.find_image(spec.image).id,
        networks=[{"port": port.id}], user_data=base64.b64encode(entry.encode()).decode(),
    )  # fmt: skip
    return compute.wait_for_server(server, interval=1, wait=300), port


def test_an_instance_of_the_golden_image_is_hardened_as_seen_through_the_bastion(behind: tuple[Host, Path]) -> None:
    one, config = behind
    results = effective.check(REGION, one.name, effective.enter(one.name, config))
    assert {each.check: each.seen for each in results if each.verdict is not Verdict.PASS} == {}
    assert len(results) == len(effective.QUESTIONS)


def test_only_ssh_listens_and_a_password_is_not_asked_for(behind: tuple[Host, Path]) -> None:
    one, config = behind
    node = effective.enter(one.name, config)
    assert ports(node) == {22}
    only_password = ["-o", "PubkeyAuthentication=no", "-o", "PasswordAuthentication=yes", "-o", "BatchMode=yes"]
    words = ["ssh", "-F", str(config), *only_password, one.name, "true"]
    refused = subprocess.run(words, check=False, capture_output=True, text=True)
    assert refused.returncode == 255
    assert "Permission denied (publickey)" in refused.stderr


def test_lz_nodes_check_passes_on_the_bastion(run: Run, env: Path) -> None:
    done = lz("nodes", "check", "--env", str(env), "--region", REGION, "--json")
    said = json.loads(done.stdout)
    assert {one["check"]: one["seen"] for one in said if one["result"] != "pass"} == {}, done.stderr
    assert len(said) == 1 + len(effective.QUESTIONS)
    assert done.returncode == 0
