"""What the tools of others make on the way goes with the lab, unless somebody else uses it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from foundation.places import CHECKOUT
from lab import hostnet, machine


@pytest.mark.parametrize("used", [False, True])
def test_the_folder_of_namespaces_goes_with_the_last_of_them(used: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "netns"
    folder.mkdir()
    if used:
        (folder / "of-somebody-else").touch()
    monkeypatch.setattr(hostnet, "NAMESPACES", folder)
    hostnet.remove_namespace("lz-never-there")
    assert folder.exists() is used


ALONE = """
import subprocess
from lab import hostnet
from lab.settings import REGIONS
north, south = REGIONS.values()
hostnet.up(north, [south])
hostnet.up(south, [north])
with subprocess.Popen(["ip", "netns", "exec", south.netns, "sh", "-c", "echo in; exec sleep 60"], stdout=subprocess.PIPE) as looks:
    looks.stdout.readline()
    try:
        hostnet.down(south)
        hostnet.up(south, [north])
    finally:
        looks.kill()
"""
"""On a host of its own: with network devices and mounts that nobody else sees."""


@pytest.mark.timeout(60)
@pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("nft"), reason="takes root and nftables, as the lab does")
def test_a_program_in_the_namespace_of_a_region_does_not_keep_its_lines() -> None:
    """The next `up` could not lay that to the other region: it was still there."""
    alone = ["unshare", "--net", "--mount", "sh", "-c", 'mount -t tmpfs lz /run && exec "$@"', "sh"]
    done = subprocess.run([*alone, sys.executable, "-c", ALONE], cwd=CHECKOUT, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("used", [False, True])
def test_the_folders_of_nspawn_go_with_the_last_machine(used: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "nspawn"
    for kind in machine.RUN_KINDS:
        (folder / kind).mkdir(parents=True)
    if used:
        (folder / "unix-export/of-somebody-else").mkdir()
    monkeypatch.setattr(machine, "RUN", folder)
    machine.forget_folders()
    assert folder.exists() is used


def test_what_nspawn_keeps_of_a_machine_goes_with_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "RUN", tmp_path)
    for kind in machine.RUN_KINDS:
        (tmp_path / kind / "lz-one").mkdir(parents=True)
        (tmp_path / kind / "lz-two").mkdir()
    machine.Machine("lz-one", tmp_path / "home", (), "lz-one").kill()
    assert sorted(path.name for path in tmp_path.rglob("lz-*")) == ["lz-two", "lz-two"]
