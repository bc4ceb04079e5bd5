"""Temporary files of a run: below its own folder, also those of its children, and gone at the next run when it was killed."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from foundation import scratch

TEMPORARY = "import tempfile; print(tempfile.mkdtemp())"


@pytest.fixture
def root() -> Iterator[Path]:
    """A folder with a short name: pytest's own are too long for sockets."""
    with tempfile.TemporaryDirectory(prefix="lz") as name:
        yield Path(name) / "tmp"


def test_temporary_files_of_a_process_and_its_children_lie_in_its_folder(root: Path) -> None:
    before = tempfile.gettempdir(), os.environ.get(scratch.VARIABLE)
    with scratch.below(root):
        own = Path(tempfile.mkdtemp())
        childs = Path(subprocess.run([sys.executable, "-c", TEMPORARY], check=True, capture_output=True, text=True).stdout.strip())
    assert own.parent == childs.parent == root / str(os.getpid())
    assert own.parent.stat().st_mode & 0o077 == 0
    assert (tempfile.gettempdir(), os.environ.get(scratch.VARIABLE)) == before


def test_what_a_process_keeps_until_its_end_is_there_in_a_second_block(root: Path) -> None:
    with scratch.below(root):
        kept = Path(tempfile.mkdtemp())
    with scratch.below(root):
        assert kept.is_dir()


def test_what_killed_processes_left_is_removed_and_what_living_ones_use_is_not(root: Path) -> None:
    gone = subprocess.Popen(["true"])
    gone.wait()
    for process in (gone.pid, os.getppid()):
        (root / str(process) / "pymp-0").mkdir(parents=True)
    with scratch.below(root):
        assert {folder.name for folder in root.iterdir()} == {str(os.getppid()), str(os.getpid())}
    assert (root / str(os.getppid()) / "pymp-0").is_dir()


def test_a_socket_has_room_in_the_longest_folder_and_a_longer_one_is_not_taken(root: Path) -> None:
    elsewhere = tempfile.gettempdir()
    room = scratch.LONGEST - len(f"{root}//{os.getpid()}")
    longest = root / ("x" * room)
    with scratch.below(longest), socket.socket(socket.AF_UNIX) as listener:
        assert len(tempfile.gettempdir()) == scratch.LONGEST
        listener.bind(tempfile.mktemp(prefix="listener-", dir=tempfile.mkdtemp(prefix="pymp-")))
    with scratch.below(longest.with_name("x" * (room + 1))):
        assert tempfile.gettempdir() == elsewhere
