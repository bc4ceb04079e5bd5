"""The README's first command in a fresh copy of the project: twice, then what it says to do next, and nothing is left."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

from tests.support.command import lz
from tests.support.host import look
from tests.support.sealed import fresh_copy

pytestmark = [pytest.mark.lab, pytest.mark.long, pytest.mark.timeout(5400)]


def paste(line: str, where: Path, stdin: str = "") -> str:
    """What a line of a shell prints; it fails the test when the shell does."""
    done = subprocess.run(["bash", "-c", line], cwd=where, input=stdin, text=True, capture_output=True, check=False, env=_environment())
    assert done.returncode == 0, f"{line}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
    return done.stdout


def _environment() -> dict[str, str]:
    """This process's, without what a `make` around the tests has put there, and with a wide page."""
    return {name: value for name, value in os.environ.items() if not name.startswith("MAKE")} | {"COLUMNS": "200"}


def proven(said: str) -> int:
    """How many checks passed, with none that failed."""
    found = re.search(r"^(\d+) pass, 0 could not be evaluated, 0 fail", said, re.MULTILINE)
    assert found, said[-3000:]
    return int(found[1])


def next_lines(said: str) -> list[str]:
    """The lines below "What next:"."""
    return [line.strip() for line in said.split("What next:\n")[1].splitlines() if line.startswith("  ")]


def test_make_up_twice_in_a_fresh_copy_and_what_comes_next(tmp_path: Path) -> None:
    assert lz("lab", "down").returncode == 0
    before = look()
    copy = fresh_copy(tmp_path / "copy")
    first = paste("make up", copy)
    second = paste("make up", copy)
    assert proven(first) == proven(second)
    proof, *logins, cloud, down = next_lines(second)
    assert next_lines(first) == [proof, *logins, cloud, down]
    assert "lz verify" in proof, "which `make up` ends with: not pasted once more"
    assert len(logins) == len([line for line in logins if "lz ssh" in line]) == 2
    for line in logins:
        assert "bastion" in paste(line, copy, "hostname\n")
    assert "bastion" in paste(cloud, copy)
    paste(f"{down} --yes", copy)
    paste("make down", copy)
    assert before.differences(look()) == []
