"""Looking after the lab: up again, reset, doctor, logs."""

from __future__ import annotations

import json
from typing import Any

import pytest
from openstack.connection import Connection

from lab import cloud
from lab.machine import Machine
from lab.settings import Places, Region
from tests.support.command import lz

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


def test_reset_takes_away_what_came_after_up_and_the_cloud_works(where: Places, north: Region, admin: Connection, name: str) -> None:
    network: Any = admin.network
    identity: Any = admin.identity
    net = network.create_network(name=name)
    network.create_subnet(network_id=net.id, name=name, ip_version=4, cidr="10.78.0.0/24")
    identity.create_project(name=name, domain_id="default")
    admin.object_store.create_container(name)
    done = lz("lab", "reset")
    assert done.returncode == 0, done.stderr
    fresh = cloud.connect(north, where)
    clean: Any = fresh.network
    assert clean.find_network(name) is None
    known: Any = fresh.identity
    assert known.find_project(name) is None
    assert [container.name for container in fresh.object_store.containers()] == []
    assert clean.find_network("public")
    again = clean.create_network(name=name)
    subnet = clean.create_subnet(network_id=again.id, name=name, ip_version=4, cidr="10.78.0.0/24")
    router = clean.create_router(name=name, external_gateway_info={"network_id": clean.find_network("public").id})
    clean.add_interface_to_router(router, subnet=subnet)
    clean.remove_interface_from_router(router, subnet=subnet)
    clean.delete_router(router)
    clean.delete_network(again)
