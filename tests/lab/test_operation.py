"""Looking after the lab: up again, reset, doctor, logs."""

from __future__ import annotations

import contextlib
import json
import time
from concurrent.futures import ThreadPoolExecutor
from itertools import permutations
from pathlib import Path
from typing import Any

import pytest
from openstack.connection import Connection

from lab import cloud
from lab.machine import Machine
from lab.region import machine_of
from lab.settings import Places, Region
from tests.support import resets, traces
from tests.support.command import lz
from tests.support.playground import Box, Playground
from tests.support.waiting import until

pytestmark = pytest.mark.lab


def test_up_again_changes_nothing(where: Places, machine: Machine) -> None:
    leader = machine.leader()
    done = lz("lab", "up", "--json")
    assert done.returncode == 0, done.stderr
    assert machine.leader() == leader
    assert not [step for step in json.loads(done.stdout)["steps"] if "configuration" in step["step"] or "boot" in step["step"]]


def test_doctor_finds_nothing_on_a_healthy_lab_and_names_what_is_broken(where: Places, machine: Machine) -> None:
    healthy = lz("lab", "doctor", "--json")
    assert json.loads(healthy.stdout) == []
    assert healthy.returncode == 0
    machine.inside("systemctl", "stop", "barbican-api")
    try:
        broken = lz("lab", "doctor")
        assert broken.returncode == 1
        assert "barbican-api.service is inactive" in broken.stderr
        assert "systemctl restart barbican-api.service" in broken.stderr
        assert "barbican does not answer" in broken.stderr
        assert lz("lab", "status").returncode == 1
    finally:
        machine.inside("systemctl", "start", "barbican-api")


def test_logs_show_what_a_unit_said(where: Places) -> None:
    done = lz("lab", "logs", "north", "mariadb")
    assert done.returncode == 0
    assert "ready for connections" in done.stdout


def test_console_runs_one_program_and_gives_its_exit_status(where: Places) -> None:
    assert lz("lab", "console", "north", "--", "hostname").stdout.strip() == "north"
    assert lz("lab", "console", "north", "--", "sh", "-c", "exit 7").returncode == 7


def test_a_wrong_region_is_refused_with_the_right_ones(where: Places) -> None:
    done = lz("lab", "logs", "east")
    assert done.returncode == 2
    assert "north, south" in done.stderr


def _furnish(ground: Playground) -> Box:
    """An instance that runs with a volume plugged in and a floating address, and one of whatever else has a name; see _there."""
    here: Any = ground.cloud
    box = ground.launch("box")
    volume = here.block_storage.create_volume(size=1, name=ground.name)
    here.image.create_image(ground.name, data=b"a little content", disk_format="raw", container_format="bare", wait=True)
    here.identity.create_project(name=ground.name, domain_id="default")
    here.object_store.create_container(ground.name)
    here.block_storage.wait_for_status(volume, "available", interval=0.5, wait=60)
    ground.attach(ground.await_active(box), volume)
    return ground.await_ssh(box)


def _there(connection: Connection, name: str) -> set[str]:
    """What bears a name that begins so, by kind; and whether anybody has a floating address."""
    here: Any = connection
    things = {
        "instance": here.compute.servers(),
        "volume": here.block_storage.volumes(),
        "image": here.image.images(),
        "network": here.network.networks(),
        "router": here.network.routers(),
        "project": here.identity.projects(),
        "container": here.object_store.containers(),
    }
    found = {kind for kind, all_of_it in things.items() if any(str(each.name).startswith(name) for each in all_of_it)}
    return found | ({"floating address"} if list(here.network.ips()) else set())


KINDS = {"instance", "volume", "image", "network", "router", "project", "container", "floating address"}


@pytest.mark.timeout(600)
def test_a_killed_reset_is_named_by_doctor_and_made_good_by_another(where: Places, machine: Machine) -> None:
    resets.kill_one(machine)
    broken = lz("lab", "doctor")
    assert broken.returncode == 1
    assert "north: a reset has not come to its end" in broken.stderr
    assert "lz lab reset`" in broken.stderr
    assert "mariadb" not in broken.stderr
    done = lz("lab", "reset")
    assert done.returncode == 0, done.stderr
    until(lambda: lz("lab", "doctor").returncode == 0, seconds=60)  # nova-compute is not waited for


@pytest.mark.timeout(600)
def test_reset_takes_away_what_came_after_up_and_the_cloud_works(
    where: Places, regions: tuple[Region, ...], north: Region, name: str, tmp_path: Path
) -> None:
    with contextlib.ExitStack() as stack:
        grounds = []
        for region in regions:
            (tmp_path / region.name).mkdir()
            grounds.append(stack.enter_context(Playground(cloud.connect(region, where), name, tmp_path / region.name)))
        with ThreadPoolExecutor(len(grounds)) as pool:
            boxes = list(pool.map(_furnish, grounds))
        for (ground, box), (_, other) in permutations(zip(grounds, boxes, strict=True), 2):
            reading = f"timeout 5 bash -c 'head -c 4 < /dev/tcp/{other.address}/22'"
            assert ground.ssh(box, reading) == "SSH-", f"{box.address} does not reach {other.address} of the other region"
        for region, ground in zip(regions, grounds, strict=True):
            assert _there(ground.cloud, name) == KINDS
            seen = traces.of_instances(machine_of(where, region))
            assert any("process-" in trace for trace in seen), "the census saw no instance: it proves nothing"
        machine = machine_of(where, north)
        machine.inside("systemctl", "stop", "barbican-api")
        settings = machine.inside("cat", "/etc/placement/placement.conf")
        machine.inside(
            "sh",
            "-c",
            "echo broken > /etc/placement/placement.conf; chmod 000 /etc/nova/nova.conf; systemctl restart placement-api || true",
        )
        try:
            done = lz("lab", "reset")
            assert done.returncode == 0, done.stderr
            assert machine.inside("cat", "/etc/placement/placement.conf") == settings
            assert machine.inside("stat", "--format=%a", "/etc/nova/nova.conf").strip() == "640"
        finally:  # else every later test fails by it
            machine.inside("sh", "-c", "cat > /etc/placement/placement.conf; chmod 640 /etc/nova/nova.conf", stdin=settings)
        until(lambda: lz("lab", "doctor").returncode == 0, seconds=60)
        deadline = time.monotonic() + 30
        for region in regions:
            assert _there(cloud.connect(region, where), name) == set()
            while left := traces.of_instances(machine_of(where, region)):
                assert time.monotonic() < deadline, f"left behind in {region.name}: {left}"
                time.sleep(0.5)
        stack.pop_all()  # nothing is left that could be deleted
    with Playground(cloud.connect(north, where), name, tmp_path) as ground:
        box = ground.await_ssh(ground.await_active(ground.launch("again")))
        assert ground.ssh(box, "hostname").strip() == box.server.name
