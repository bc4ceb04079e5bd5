"""A region comes up on a machine without a network, from a bundle and nothing else."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from foundation.progress import Progress
from lab import debian
from tests.support.command import lz
from tests.support.sealed import Sealed, sealed
from tools import bundle

pytestmark = [pytest.mark.lab, pytest.mark.long, pytest.mark.timeout(3600)]
# The lab's links are in the namespace that it was brought up in, so all of it is one command.
LIFE = 'lz=.venv/bin/lz; $lz lab up --region north && $lz lab status; up=$?; $lz lab down && exit "$up"'


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Sealed]:
    """Some gigabytes, which go when the test does."""
    yield sealed(tmp_path)
    shutil.rmtree(tmp_path)


def test_a_region_comes_up_and_goes_with_the_network_cut(machine: Sealed) -> None:
    assert lz("lab", "down").returncode == 0
    made = bundle.make(machine.copy.with_name("bundle.tar.gz"), Progress(), lab=True)
    done = machine.run("tools/install", "--from", made.path, "--sha256", made.sha256)
    assert done.returncode == 0, done.stderr
    machine.variables[debian.MIRROR] = machine.source(debian.SUITE)
    stood = machine.run("sh", "-c", LIFE)
    assert stood.returncode == 0, stood.stderr
    assert "keystone" in stood.stdout
