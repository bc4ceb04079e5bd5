"""The lab for tests: brought up when it does not stand; when that fails, every test says so."""

from __future__ import annotations

import os
import subprocess
import uuid
from pathlib import Path

import pytest
from openstack.connection import Connection

from foundation.progress import Progress
from lab import cloud, lifecycle
from lab.machine import Machine
from lab.region import machine_of
from lab.settings import Places, Region, places
from landing_zone.engine.opening import Asked, open_run
from landing_zone.engine.runs import Run, Selection
from tests.support.command import lz
from tools import engine

# A part of the first landing zone that stands within half a minute: everything but instances.
PART = ("--env", "lab", "--region", "north", "--layer", "identity", "--layer", "network", "--tenant", "edu")
PART_LAYERS = {"identity", "network", "tenant-edu"}


LAB = pytest.StashKey[subprocess.CompletedProcess[str]]()  # how `lz lab up` ended


def pytest_collection_finish(session: pytest.Session) -> None:
    """Bring the lab up before the clock of a test runs: the first one has not the minutes that this may take."""
    chosen = any(item.path.is_relative_to(Path(__file__).parent) for item in session.items)
    only_shown = session.config.getoption("collectonly") or session.config.getoption("showfixtures")
    if chosen and not only_shown and not session.testsfailed:
        session.config.stash[LAB] = lz("lab", "up")


@pytest.fixture(scope="session")
def where(request: pytest.FixtureRequest) -> Places:
    """The places of a lab that stands."""
    done = request.config.stash[LAB]
    assert done.returncode == 0, f"the lab did not come up, so nothing that needs it was tested:\n{done.stderr[-3000:]}"
    return places()


@pytest.fixture(scope="session")
def equipped(where: Places) -> Places:
    """The same, with the engine installed; commands of `lz` take the lab's clouds."""
    engine.install(Progress())
    os.environ["OS_CLIENT_CONFIG_FILE"] = str(where.clouds)
    return where


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


@pytest.fixture(scope="module")
def part(equipped: Places) -> Run:
    """A run on PART, which stands and nothing else of its region.

    It is left for the next file that wants it; those that want nothing begin with `lz down`.
    """
    standing = {key.layer for key in open_run(Asked("lab", ("north",)), print)[0].standing(Selection())}
    if not standing <= PART_LAYERS:  # what `make up` made
        down = lz("down", "--env", "lab", "--region", "north", "--yes")
        assert down.returncode == 0, down.stderr
    done = lz("up", *PART, "--yes")
    assert done.returncode == 0, done.stderr
    return open_run(Asked("lab", ("north",)), print)[0]
