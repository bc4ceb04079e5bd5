"""What the tools of others make on the way goes with the lab, unless somebody else uses it."""

from __future__ import annotations

from pathlib import Path

import pytest

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
