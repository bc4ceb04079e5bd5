"""Building the engine from nothing, on a machine without Go, with a kill in the middle."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from foundation.places import CHECKOUT
from tools import pins

# as on a machine where no release can be downloaded and no Go is installed
INSTALL = """
from foundation.progress import Progress
from tools import artefacts, engine, fetch, gobuild
from foundation.errors import Problem
def refused(*_):
    raise fetch.Unreachable(Problem("no download in this test"))
artefacts._release = refused
gobuild.candidates = list
print(engine.install(Progress()).home)
"""


@pytest.fixture
def cache(tmp_path: Path) -> Iterator[Path]:
    """An empty cache; some gigabytes afterwards, so it goes when the test does."""
    yield tmp_path / "cache"
    shutil.rmtree(tmp_path / "cache", ignore_errors=True)


@pytest.mark.long
@pytest.mark.timeout(3600)
def test_a_build_from_nothing_survives_a_kill(cache: Path) -> None:
    env = {**os.environ, "LZ_CACHE": str(cache), "PULUMI_HOME": str(cache / "none")}
    command = [sys.executable, "-c", INSTALL]
    first = subprocess.Popen(command, cwd=CHECKOUT, env=env, start_new_session=True)
    while not list(cache.glob("tools/logs/pulumi-*.log")):
        assert first.poll() is None
        time.sleep(0.5)
    time.sleep(10)
    os.killpg(first.pid, signal.SIGKILL)
    first.wait()
    done = subprocess.run(command, cwd=CHECKOUT, env=env, check=True, stdout=subprocess.PIPE, text=True)
    home = Path(done.stdout.strip())
    for name, pin in pins.load().artefacts.items():
        place = home / "bin" if pin.kind == "cli" else home / "plugins" / f"resource-{name}-v{pin.version}"
        said = subprocess.run([place / pin.binary, *pin.version_command], capture_output=True, text=True, check=True)
        assert pin.version in said.stdout
    assert not list(cache.glob("tools/*.part"))
