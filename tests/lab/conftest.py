"""The lab for tests: brought up when it does not stand; when that fails, every test says so."""

from __future__ import annotations

import subprocess
import uuid

import pytest
from openstack.connection import Connection

from foundation.places import CHECKOUT
from lab import cloud, lifecycle
from lab.machine import Machine
from lab.region import machine_of
from lab.settings import Places, Region, places

LZ = str(CHECKOUT / ".venv/bin/lz")


def lz(*words: str, timeout: float = 1500) -> subprocess.CompletedProcess[str]:
    """Run `lz` as a user does."""
    return subprocess.run([LZ, *words], check=False, capture_output=True, text=True, timeout=timeout)


@pytest.fixture(scope="session")
def where() -> Places:
    """The places of a lab that stands."""
    done = lz("lab", "up")
    assert done.returncode == 0, f"the lab did not come up, so nothing that needs it was tested:\n{done.stderr[-3000:]}"
    return places()


@pytest.fixture(scope="session")
def regions(where: Places) -> tuple[Region, ...]:
    found = lifecycle.running(where)
    assert found
    return found


@pytest.fixture(scope="session")
def north(regions: tuple[Region, ...]) -> Region:
    return next(region for region in regions if region.name == "north")


@pytest.fixture(scope="session")
def machine(where: Places, north: Region) -> Machine:
    return machine_of(where, north)


@pytest.fixture(scope="session")
def admin(where: Places, north: Region) -> Connection:
    return cloud.connect(north, where)


@pytest.fixture
def name() -> str:
    """A name that no other test uses."""
    return f"t-{uuid.uuid4().hex[:8]}"
