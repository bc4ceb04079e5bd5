"""What `reset` makes the machine forget, against programs that only pretend."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from lab import snapshot
from lab.machine import Machine

VIRSH = """#!/bin/sh
echo "$*" >>"$0.asked"
case "$*" in *list*) printf 'instance-00000001\\n\\nsomething-else\\n\\n' ;; esac
"""


@pytest.fixture
def inside(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, ...]]:
    """Commands that would run in the machine; nothing is copied."""
    commands: list[tuple[str, ...]] = []
    monkeypatch.setattr(Machine, "inside", lambda _, *words, **__: commands.append(words))
    monkeypatch.setattr(snapshot, "_copy", lambda *_: None)
    return commands


def test_libvirt_forgets_the_instances_whose_names_nova_uses_again(tmp_path: Path, inside: list[tuple[str, ...]]) -> None:
    snapshot.restore(Machine("m", tmp_path, (), "n"))
    assert inside[0][-1].endswith(snapshot.FORGET_DOMAINS)
    (tmp_path / "virsh").write_text(VIRSH)
    (tmp_path / "virsh").chmod(0o755)
    env = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"}
    subprocess.run(["bash", "-uc", snapshot.FORGET_DOMAINS], env=env, timeout=20, check=True)
    _, *asked = (tmp_path / "virsh.asked").read_text().splitlines()
    assert [line.split()[2:4] for line in asked] == [["destroy", "instance-00000001"], ["undefine", "instance-00000001"]]


def test_a_machine_without_libvirt_is_reset_all_the_same(tmp_path: Path) -> None:
    (tmp_path / "virsh").write_text("#!/bin/sh\necho 'failed to connect' >&2\nexit 1\n")
    (tmp_path / "virsh").chmod(0o755)
    env = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"}
    done = subprocess.run(["bash", "-uc", snapshot.FORGET_DOMAINS], env=env, timeout=20, check=True, capture_output=True, text=True)
    assert done.stderr == ""


def test_who_writes_into_the_data_is_held_while_it_goes_back(
    tmp_path: Path, inside: list[tuple[str, ...]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(snapshot, "_copy", lambda *_: inside.append(("copied",)))
    snapshot.restore(Machine("m", tmp_path, (), "n"))
    told = [word for words in inside for word in words if word in ("--signal=STOP", "copied", "--signal=CONT")]
    assert told == ["--signal=STOP", *["copied"] * len(snapshot.FOLDERS), "--signal=CONT"]
    held = next(words for words in inside if "--signal=STOP" in words)
    assert {"swift-object", "swift-container-updater", "glance-api", "cinder-backup"} <= set(held)


def test_a_copy_that_fails_leaves_the_databases_running_and_the_next_one_begins_anew(
    tmp_path: Path, inside: list[tuple[str, ...]], monkeypatch: pytest.MonkeyPatch
) -> None:
    machine = Machine("m", tmp_path, (), "n")

    def full(_: Path, target: Path) -> None:
        target.mkdir(parents=True)
        (target / "half").touch()
        raise OSError

    with monkeypatch.context() as patched:
        patched.setattr(snapshot, "_copy", full)
        with pytest.raises(OSError):
            snapshot.take(machine)
    assert inside == [("systemctl", "stop", *snapshot.KEEPERS), ("systemctl", "start", *snapshot.KEEPERS)]
    monkeypatch.setattr(snapshot, "_copy", lambda _, target: target.mkdir(parents=True, exist_ok=True))
    snapshot.take(machine)
    assert (tmp_path / "snapshot/etc/nova").is_dir()
    assert not list(tmp_path.rglob("half"))


def test_a_copy_takes_the_place_of_all_that_was_there_and_of_nothing_else(tmp_path: Path) -> None:
    for name in ("kept/data/objects", "now/data/stale", "elsewhere"):
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / "file").write_text(name)
    (tmp_path / "now/data/link").symlink_to(tmp_path / "elsewhere")
    snapshot._copy(tmp_path / "kept/data", tmp_path / "now/data")
    assert [path.name for path in (tmp_path / "now/data").rglob("*")] == ["objects", "file"]
    assert (tmp_path / "elsewhere/file").exists()


@pytest.mark.parametrize("last", ["bash", "stop", "nc", "start"])
def test_a_restore_that_is_broken_off_is_unfinished_until_one_comes_to_its_end(
    last: str, tmp_path: Path, inside: list[tuple[str, ...]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever it came to: what is to be said of a machine is on its disk before anything is stopped."""
    machine = Machine("m", tmp_path, (), "n")

    def killed(_: Machine, *words: str, **__: object) -> None:
        if last in words[:2]:
            raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(Machine, "inside", killed)
        with pytest.raises(KeyboardInterrupt):
            snapshot.restore(machine)
    assert snapshot.unfinished(machine)
    snapshot.restore(machine)
    assert not snapshot.unfinished(machine)


@pytest.mark.parametrize(
    "change",
    [
        lambda folder: (folder / "nova.conf").write_text("theirs"),
        lambda folder: (folder / "nova.conf").chmod(0),
        lambda folder: (folder / "nova.conf").unlink(),
        lambda folder: (folder / "policy.yaml").touch(),
        lambda folder: (folder / "nova.conf").replace(folder / "other.conf"),
    ],
    ids=["content", "mode", "removed", "added", "renamed"],
)
def test_changed_settings_go_back_while_those_who_read_them_are_stopped(
    change: Callable[[Path], object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine = Machine("m", tmp_path, (), "n")
    ours = tmp_path / "root/etc/nova"
    for name in ("nova", "neutron"):
        (tmp_path / "root/etc" / name).mkdir(parents=True)
        (tmp_path / "root/etc" / name / f"{name}.conf").write_text("ours")
    monkeypatch.setattr(snapshot, "FOLDERS", ())
    monkeypatch.setattr(snapshot, "SETTINGS", {"nova": ("nova",), "neutron": ("neutron",)})
    said: list[tuple[str, ...]] = []

    def inside(_: Machine, *words: str, **__: object) -> None:
        said.append(words)
        if "stop" in words and "nova-api" in words:
            assert snapshot._entries(ours) != kept, "put back before its readers were stopped"

    monkeypatch.setattr(Machine, "inside", inside)
    snapshot.take(machine)
    kept = snapshot._entries(ours)
    change(ours)
    snapshot.restore(machine)
    assert snapshot._entries(ours) == kept
    stopped = {unit for words in said[2:] if "stop" in words for unit in words[2:]}
    assert {"nova-api", "nova-compute", "nova-api-metadata"} <= stopped
    assert not {unit for unit in stopped if unit.startswith("neutron")}
