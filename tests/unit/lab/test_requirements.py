"""A machine that is not fit gets one message with everything that is missing, before anything is changed."""

from __future__ import annotations

import os
import shutil
from collections import namedtuple
from pathlib import Path

import pytest

from foundation import lock
from foundation.errors import BusyError, InputError
from foundation.progress import Progress
from lab import lifecycle, requirements
from lab.settings import Places

Usage = namedtuple("Usage", "total used free")


@pytest.fixture
def poor(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A machine without root, programs, disk and memory."""
    monkeypatch.setenv("LZ_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setattr(shutil, "which", lambda name: None)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: Usage(10, 9, 1 << 30))
    monkeypatch.setattr(requirements, "memory_gib", lambda: 3.5)
    return tmp_path / "cache"


def test_everything_missing_is_named_at_once_and_nothing_is_made(poor: Path) -> None:
    with pytest.raises(InputError) as caught:
        lifecycle.up(("north", "south"), "auto", Progress())
    text = str(caught.value)
    for part in ("needs root", "apt-get install", "systemd-container", "flex", "1.0 GiB of disk", "3.5 GiB of memory", "--region north"):
        assert part in text
    assert not poor.exists()


def test_an_unknown_region_is_named_with_the_known_ones(poor: Path) -> None:
    with pytest.raises(InputError) as caught:
        lifecycle.up(("east",), "auto", Progress())
    assert "no region 'east'" in str(caught.value)
    assert "north, south" in str(caught.value)


def test_one_region_is_the_default_under_16_gib(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(requirements, "memory_gib", lambda: 11.0)
    assert requirements.default_regions() == ("north",)
    monkeypatch.setattr(requirements, "memory_gib", lambda: 15.6)
    assert requirements.default_regions() == ("north", "south")


def test_a_lab_of_another_cache_is_named_and_ours_is_not(tmp_path: Path) -> None:
    line = "42 1 0:35 / {}/regions/{}/root rw,relatime - overlay overlay rw"
    mounts = "\n".join(line.format(lab, region) for lab in (tmp_path / "lab", Path("/srv/other/lab")) for region in ("north", "south"))
    assert requirements.other_labs(Places(tmp_path / "lab"), mounts) == [Path("/srv/other/lab")]


def test_two_runs_at_once_are_refused_with_the_holder_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("LZ_CACHE", str(tmp_path))
    with lock.exclusive(Places(tmp_path / "lab").lock, "the test"), pytest.raises(BusyError) as caught:
        lifecycle.down(Progress())
    assert f"process {os.getpid()}" in str(caught.value)
