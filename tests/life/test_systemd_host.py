"""The life of a lab on a host that systemd runs: this host's own tree, booted with systemd as its first process.

The copy has a network of its own with no way out, so that its lab comes up from what is cached, beside any that stands.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from foundation.places import CHECKOUT, cache, cache_root
from foundation.process import run
from foundation.progress import Progress
from lab import hostnet, image, trees
from lab.compute import kernel
from lab.machine import INSIDE, Machine, forget_folders
from lab.settings import places

pytestmark = [pytest.mark.lab, pytest.mark.long, pytest.mark.timeout(3600)]
NAME = "lz-systemd"
STOCK = Path("/srv/stock")  # the copy's cache: on a real file system, since an overlay does not carry another one's upper layer


@dataclass(frozen=True)
class Host(Machine):
    """stock: the folder that it has as its cache."""

    stock: Path

    def nspawn(self) -> list[str]:
        """A machine of the lab's kind with this checkout; no service of the host itself is started in it."""
        binds = ["/dev/net/tun", str(CHECKOUT), f"{self.stock}:{STOCK}"]
        return [*super().nspawn(), *(f"--bind={bind}" for bind in binds), "systemd.unit=basic.target"]

    def call(self, *words: str, timeout: float = 600) -> str:
        """What a program prints that its systemd runs in the checkout; the test fails when the program does."""
        settings = [f"--setenv={name}={value}" for name, value in {**INSIDE, "LZ_CACHE": STOCK}.items()]
        unit = ["systemd-run", "--quiet", "--wait", "--pipe", "--collect", f"--working-directory={CHECKOUT}", *settings]
        done = subprocess.run(
            [*self.enter(), "--cgroup", *unit, *words], env=INSIDE, text=True, capture_output=True, timeout=timeout, check=False
        )
        assert done.returncode == 0, f"{' '.join(words)}\n{done.stdout[-5000:]}\n{done.stderr[-5000:]}"
        return done.stdout


@pytest.fixture(scope="module")
def stock() -> Iterator[Path]:
    """A cache with what a lab is made of: its own file names, the same files."""
    progress = Progress()
    made = [trees.ensure_base(places(), progress)]
    made += [trees.ensure_seed(places(), made[0], progress), kernel.build(progress).path.parent, image.build(progress).disk.parent]
    folder = cache("systemd-host")
    for part in made:
        target = folder / part.relative_to(cache_root())
        target.parent.mkdir(parents=True, exist_ok=True)
        run(["cp", "--archive", "--link", part, target.parent])
    yield folder
    shutil.rmtree(folder)


@pytest.fixture(scope="module")
def host(stock: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    memory = tmp_path_factory.mktemp("host")
    one = Host(NAME, memory / "machine", (Path("/"),), NAME, stock)
    run(["mount", "-t", "tmpfs", "tmpfs", memory])  # a layer that lies below "/" cannot lie over it
    hostnet.ensure_namespace(NAME)
    try:
        one.mount()
        one.start(memory / "console.log")
        yield one
    finally:
        one.destroy()
        hostnet.remove_namespace(NAME)
        forget_folders()
        run(["umount", memory])


def test_its_machines_are_scopes(host: Host) -> None:
    lz = str(CHECKOUT / ".venv/bin/lz")
    host.call(lz, "lab", "up", "--region", "north")
    assert "lz-north.scope" in host.call("systemctl", "list-units", "--type=scope", "--plain", "--no-legend")
    assert "Nothing is wrong" in host.call(lz, "lab", "doctor")
    host.call(lz, "lab", "down")
    assert "lz-north.scope" not in host.call("systemctl", "list-units", "--type=scope", "--plain", "--no-legend")


def test_the_life_of_its_lab(host: Host) -> None:
    host.call(sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/life/test_lifecycle.py", timeout=3400)
