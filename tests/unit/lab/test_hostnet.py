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
    folder = tmp_path / "nspawn/propagate"
    folder.mkdir(parents=True)
    if used:
        (folder / "of-somebody-else").mkdir()
    monkeypatch.setattr(machine, "PROPAGATION", folder)
    machine.forget_folders()
    assert folder.parent.exists() is used
