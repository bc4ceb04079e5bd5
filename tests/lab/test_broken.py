"""An instance that the cloud gives up: `up` stops with the cloud's own words, and the same command goes on once the cause is gone."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from openstack.connection import Connection

from landing_zone.engine.opening import environment_file
from landing_zone.engine.runs import Run
from tests.support.command import lz

pytestmark = [pytest.mark.lab, pytest.mark.timeout(600)]

HERE = ("--region", "north", "--layer", "access", "--yes")


@pytest.fixture
def picky(admin: Connection, name: str) -> Iterator[str]:
    """A flavor for which every host has room, and that asks for a trait that none has."""
    flavor = admin.compute.create_flavor(name=name, vcpus=1, ram=1024, disk=5)
    admin.compute.create_flavor_extra_specs(flavor, {"trait:STORAGE_DISK_SSD": "required"})
    yield name
    admin.compute.delete_flavor(flavor)


def bastions(admin: Connection) -> list[str]:
    """The state of each; Nova lists one that has just gone for a moment longer."""
    states = [server.status for server in admin.compute.servers(all_projects=True) if "bastion" in server.name]
    return [state for state in states if state != "DELETED"]


def test_an_instance_in_error_stops_up_with_the_clouds_own_message(part: Run, admin: Connection, picky: str, tmp_path: Path) -> None:
    shipped = environment_file("lab")
    file = tmp_path / shipped.name
    file.write_text(shipped.read_text().replace("flavor: SCS-1L-1-5", f"flavor: {picky}", 1))
    ledger = shipped.with_suffix(".ledger.yaml")
    (tmp_path / ledger.name).write_bytes(ledger.read_bytes())
    try:
        broken = lz("up", "--env", str(file), *HERE)
        assert broken.returncode == 1
        assert "No valid host was found" in broken.stderr
        assert "Traceback" not in broken.stderr
        mended = lz("up", "--env", "lab", *HERE)
        assert mended.returncode == 0, mended.stderr
        assert bastions(admin) == ["ACTIVE"]
    finally:
        down = lz("down", "--env", "lab", *HERE)
    assert down.returncode == 0, down.stderr
    assert bastions(admin) == []
