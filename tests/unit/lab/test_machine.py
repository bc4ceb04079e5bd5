"""Each machine has a cgroup of its own: a scope where systemd runs the host, a group where it does not."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from foundation.process import CommandFailed
from lab import machine
from lab.machine import Machine


def of(name: str, home: Path) -> Machine:
    return Machine(name, home, (), name)


def test_a_scope_where_systemd_runs_the_host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Path, "is_dir", lambda path: str(path) == "/run/systemd/system")
    for name in ("lz-north", "lz-south"):
        words = of(name, tmp_path)._in_own_cgroup()
        assert words[:2] == ["systemd-run", "--scope"]
        assert {f"--unit={name}", "--property=Delegate=yes", "--collect"} <= set(words)


def test_what_is_left_of_a_machine_goes_with_its_scope(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ran: list[list[str]] = []
    monkeypatch.setattr(Path, "is_dir", lambda path: str(path) == "/run/systemd/system")
    monkeypatch.setattr(machine, "run", ran.append)
    of("lz-north", tmp_path)._kill_leftovers()
    assert ran == [["systemctl", "stop", "lz-north.scope"]]


def test_groups_that_vanish_while_processes_are_looked_for_end_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine that still lives starts and ends services while it is taken away."""
    for name in ("a", "a/below", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "cgroup.procs").write_text("7\n")
    look = os.scandir

    def look_late(path: str | Path) -> Any:
        if Path(path).name == "a":
            Path(path).rename(tmp_path.with_name("gone"))
        return look(path)

    with monkeypatch.context() as patched:
        patched.setattr(os, "scandir", look_late)
        assert machine._pids_below(tmp_path) == [7]


def test_a_group_where_it_does_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Path, "is_dir", lambda path: False)
    monkeypatch.setattr(machine, "CGROUP_ROOTS", (tmp_path / "absent", tmp_path))
    (tmp_path / "cgroup.procs").touch()
    for name in ("lz-north", "lz-south"):
        run = subprocess.run([*of(name, tmp_path)._in_own_cgroup(), "echo", "ran"], check=True, capture_output=True, text=True)
        assert run.stdout == "ran\n"
        assert (tmp_path / name / "cgroup.procs").read_text().strip().isdigit()


def test_a_folder_for_temporary_files_of_the_host_is_none_of_the_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Machine, "enter", lambda self: [])  # this host stands for the machine
    monkeypatch.setenv("TMPDIR", str(tmp_path / "only-here"))
    said = of("one", tmp_path).inside("sh", "-c", 'echo "${TMPDIR-none} $HOME $SECRET"', env={"SECRET": "word"})
    assert said.split() == ["none", "/root", "word"]


def test_a_process_that_got_the_number_of_an_earlier_machine_is_none(tmp_path: Path) -> None:
    """After the host has restarted, say: it would be entered, and killed with the lab."""
    one = of("lz-test", tmp_path)
    shutil.copy("/bin/sleep", tmp_path / "systemd")
    with subprocess.Popen(["sh", "-c", '"$1" 60 & echo $!; wait', "sh", tmp_path / "systemd"], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout
        child = int(parent.stdout.readline())
        try:
            while Path(f"/proc/{child}/comm").read_text().strip() != "systemd":
                time.sleep(0.05)
            born = machine._born(parent.pid)
            assert born
            for known, leader in (({"pid": parent.pid, "born": born}, child), ({"pid": parent.pid, "born": born - 1}, None)):
                (tmp_path / "machine.json").write_text(json.dumps(known))
                assert one.leader() == leader
            (tmp_path / "machine.json").write_text("")  # killed while it was written
            assert one.leader() is None
        finally:
            os.kill(child, signal.SIGKILL)


def test_a_machine_that_ends_just_before_its_signal_is_no_fault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ended = subprocess.Popen(["true"])
    ended.wait()
    monkeypatch.setattr(Machine, "leader", lambda _: ended.pid)
    monkeypatch.setattr(Machine, "_kill_leftovers", lambda _: None)
    machine_ = of("lz-test-ended", tmp_path)
    machine_.power_off(timeout=5)
    machine_.kill()


def test_a_mount_that_somebody_is_in_has_a_cure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "mounts_below", lambda _: [str(tmp_path)])  # which is no mount point: umount refuses
    with pytest.raises(CommandFailed) as caught:
        of("m", tmp_path).unmount()
    assert "leave" in caught.value.problems[0].cure


def test_a_process_that_ends_while_children_are_looked_for_ends_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of its folder in /proc only the name is left when it is looked into."""
    child, other = (subprocess.Popen(["sleep", "60"]) for _ in range(2))
    look = Path.stat

    def ended(path: Path, **how: Any) -> os.stat_result:
        if path.parts[:3] == ("/", "proc", str(other.pid)):
            raise ProcessLookupError(3, "No such process")
        return look(path, **how)

    monkeypatch.setattr(Path, "stat", ended)
    try:
        assert child.pid in machine._children(os.getpid())
    finally:
        for each in (child, other):
            each.kill()
            each.wait()
