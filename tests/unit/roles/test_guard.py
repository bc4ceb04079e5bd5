"""The node's own program that puts back who gets in, on a tree of files, with stand-ins for systemd and the packet filter."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tests.unit.roles.rendering import ROLE

PROGRAM = ROLE / "files" / "node-baseline-rollback"
SYSTEMCTL = """#!/bin/sh
echo "$*" >> {tree}/asked
case "$*" in
*is-active*timer) [ -e {tree}/timer ] ;;
"stop node-baseline-rollback.timer") rm -f {tree}/timer ;;
esac
"""
SERVER, PROFILE = "etc/ssh/sshd_config", "usr/share/pam-configs/node-baseline-unix"


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    for name, text in (("systemctl", SYSTEMCTL), ("nft", "#!/bin/sh\n"), ("logger", "#!/bin/sh\n")):
        stand_in = tmp_path / "bin" / name
        stand_in.parent.mkdir(exist_ok=True)
        stand_in.write_text(text.format(tree=tmp_path))
        stand_in.chmod(0o755)
    (tmp_path / "run").mkdir()
    write(tmp_path, SERVER, "old")
    return tmp_path


def write(tree: Path, name: str, text: str) -> None:
    (tree / name).parent.mkdir(parents=True, exist_ok=True)
    (tree / name).write_text(text)


def guard(tree: Path, verb: str) -> None:
    """The program with the tree for `/`."""
    program = tree / "guard"
    program.write_text(PROGRAM.read_text().replace("kept=/run", f"kept={tree}/run").replace("\ncd /\n", f"\ncd {tree}\n"))
    program.chmod(0o755)
    subprocess.run([program, verb, "ssh"], check=True, env={**os.environ, "PATH": f"{tree}/bin:{os.environ['PATH']}"})


def test_what_was_there_comes_back_and_what_was_not_goes(tree: Path) -> None:
    """With profiles of PAM that stay, the next run would have nothing to change, and not put them in force."""
    guard(tree, "save")
    write(tree, SERVER, "new")
    write(tree, PROFILE, "new")
    guard(tree, "restore")
    assert (tree / SERVER).read_text() == "old"
    assert not (tree / PROFILE).exists()


def test_a_run_after_one_that_broke_off_starts_from_before_that(tree: Path) -> None:
    """Else it would find written what was never put in force, keep it as what to go back to, and leave it for the next boot."""
    guard(tree, "save")
    write(tree, "timer", "")
    write(tree, SERVER, "half")
    guard(tree, "save")
    assert ((tree / SERVER).read_text(), (tree / "timer").exists()) == ("old", False)
    write(tree, SERVER, "new")
    guard(tree, "restore")
    assert (tree / SERVER).read_text() == "old"


def test_a_run_after_one_that_ended_well_starts_from_that(tree: Path) -> None:
    guard(tree, "save")
    write(tree, SERVER, "new")
    guard(tree, "save")
    assert (tree / SERVER).read_text() == "new"
