"""What regions share before they are brought up: secrets that are read once, and clouds.yaml with whoever stands. What one waits for."""

from __future__ import annotations

import json
import os
import shutil
from concurrent.futures import Future
from pathlib import Path

import pytest
import yaml

from foundation.progress import Progress
from lab import cloud, health, hostnet, region, render, snapshot
from lab.compute import install
from lab.compute.kernel import KernelBuild
from lab.image import GuestImage
from lab.machine import Machine
from lab.settings import REGIONS, Places, Region


@pytest.fixture
def where(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Places:
    """Both regions are made; nothing of the machine that runs the test is touched."""
    monkeypatch.delattr(Machine, "destroy")
    monkeypatch.setattr(hostnet, "up", lambda region, others: None)
    where = Places(tmp_path)
    for entry in REGIONS.values():
        where.region(entry).mkdir(parents=True)
        (where.region(entry) / "made.json").touch()
    return where


def signed_in(where: Places) -> dict[str, str]:
    return {name: entry["auth"]["password"] for name, entry in yaml.safe_load(where.clouds.read_text())["clouds"].items()}


def test_a_region_that_is_asked_for_gets_secrets_that_stay(where: Places) -> None:
    first = region.lay_ground(where, [REGIONS["north"]])
    assert list(first) == ["north"]
    assert signed_in(where) == {"lab-north": first["north"]["admin"]}
    assert region.lay_ground(where, [REGIONS["north"]]) == first


def test_another_region_that_stands_stays_in_clouds_yaml(where: Places) -> None:
    both = region.lay_ground(where, list(REGIONS.values()))
    assert both["south"] == json.loads((where.region(REGIONS["south"]) / "secrets.json").read_text())
    assert region.lay_ground(where, [REGIONS["north"]]) == both
    assert signed_in(where) == {f"lab-{name}": values["admin"] for name, values in both.items()}


def test_a_region_whose_reset_was_broken_off_is_thrown_away_and_the_other_is_not(where: Places, monkeypatch: pytest.MonkeyPatch) -> None:
    """Half of its data may be there, and its databases may be stopped: a start would not be enough, and it does not just run."""
    both = region.lay_ground(where, list(REGIONS.values()))
    removed: list[str] = []

    def remove(where: Places, entry: Region) -> None:
        removed.append(entry.name)
        shutil.rmtree(where.region(entry))

    def full(*_: object) -> None:
        raise OSError

    north = region.machine_of(where, REGIONS["north"])
    monkeypatch.setattr(region, "remove", remove)
    with monkeypatch.context() as patched:
        patched.setattr(Machine, "inside", lambda *_, **__: "")
        patched.setattr(snapshot, "_copy", full)
        with pytest.raises(OSError):
            snapshot.restore(north)
    assert not region.is_made(where, REGIONS["north"])
    again = region.lay_ground(where, list(REGIONS.values()))
    assert removed == ["north"]
    assert again["north"] != both["north"]
    assert again["south"] == both["south"]
    assert not snapshot.unfinished(north)


def test_a_folder_for_temporary_files_of_the_host_is_none_of_a_machine_that_is_made(where: Places, monkeypatch: pytest.MonkeyPatch) -> None:
    """libpam-tmpdir gives everybody who signs in one of his own, and update-ca-certificates ends where it is missing."""

    def boot(*_: object) -> None:
        raise KeyboardInterrupt  # so far, and no further

    north = REGIONS["north"]
    machine = Machine("m", where.region(north), (), "m")
    for folder in ("tmp", "usr/local/share/ca-certificates"):
        (machine.root / folder).mkdir(parents=True)
    where.ca.touch()
    for name, body in (("chroot", 'export ROOT="$1"; shift; exec "$@"'), ("update-ca-certificates", 'cd "$ROOT${TMPDIR:-/tmp}"')):
        (where.root / name).write_text(f"#!/bin/sh\n{body}\n")
        (where.root / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{where.root}:{os.environ['PATH']}")
    monkeypatch.setenv("TMPDIR", str(where.root / "of-the-host"))
    monkeypatch.setattr(render, "write", lambda *_: None)
    monkeypatch.setattr(region, "issue", lambda *_: "")
    monkeypatch.setattr(install, "install", lambda *_: None)
    monkeypatch.setattr(Machine, "start", boot)
    image = GuestImage("image", where.root, where.root, where.root, "digest", 1, 1, {})
    using = region.Ingredients((), "uml", None, image)
    with pytest.raises(KeyboardInterrupt):
        region._make(where, north, using, machine, {}, Progress())


@pytest.mark.timeout(20)
def test_a_region_waits_for_the_kernel_of_its_instances_last(where: Places, monkeypatch: pytest.MonkeyPatch) -> None:
    north, compiled = REGIONS["north"], Future[KernelBuild]()
    made, steps = where.region(north) / "made.json", list[str]()
    made.unlink()
    where.region(north).joinpath("linux").write_bytes(b"kernel")
    monkeypatch.setattr(Machine, "mount", lambda machine: None)
    monkeypatch.setattr(Machine, "leader", lambda machine: None)
    monkeypatch.setattr(region, "_make", lambda *_: steps.append("made"))
    monkeypatch.setattr(cloud, "connect", lambda *_: None)
    monkeypatch.setattr(health, "await_region", lambda *_: steps.append("answers"))

    def compiled_at_last(machine: Machine) -> None:
        assert (steps, made.exists()) == (["made", "answers"], False)
        compiled.set_result(KernelBuild(where.region(north) / "linux", "7", "digest"))

    monkeypatch.setattr(snapshot, "take", compiled_at_last)
    image = GuestImage("image", where.root, where.root, where.root, "digest", 1, 1, {})
    region.bring_up(where, north, {}, region.Ingredients((), "uml", compiled, image), Progress())
    assert made.exists()
    assert (region.machine_of(where, north).root / install.PROGRAMS / "linux").read_bytes() == b"kernel"
