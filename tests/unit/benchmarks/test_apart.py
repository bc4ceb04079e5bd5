"""The lab's cloud on a processor of its own while a measurement runs."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks import apart

TWO = len(os.sched_getaffinity(0)) > 1


@pytest.fixture
def sleeper() -> Iterator[int]:
    """A process that stands for the cloud."""
    with subprocess.Popen(["sleep", "60"]) as process:
        yield process.pid
        process.kill()


def test_threads_of_other_process_namespaces_are_the_labs(tmp_path: Path) -> None:
    for name, space in {"self": "pid:[1]", "10": "pid:[1]", "20": "pid:[2]"}.items():
        (tmp_path / name / "ns").mkdir(parents=True)
        (tmp_path / name / "ns/pid").symlink_to(space)
    for thread in ("20", "21"):
        (tmp_path / "20/task" / thread).mkdir(parents=True)
    (tmp_path / "30").mkdir()  # ended in this moment
    assert sorted(apart.threads(tmp_path)) == [20, 21]


@pytest.mark.skipif(not TWO, reason="has only one processor")
def test_cloud_and_tools_share_no_processor_while_the_block_runs(sleeper: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(apart, "threads", lambda: (sleeper, 2**22 - 1))
    before = os.sched_getaffinity(0)
    with apart.apart():
        assert os.sched_getaffinity(sleeper) == {max(before)}
        assert os.sched_getaffinity(0) == before - {max(before)}
    assert os.sched_getaffinity(0) == os.sched_getaffinity(sleeper) == before


def test_nothing_is_bound_when_it_is_not_asked_for(sleeper: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(apart, "threads", lambda: (sleeper,))
    before = os.sched_getaffinity(0)
    with apart.apart(really=False):
        assert os.sched_getaffinity(0) == os.sched_getaffinity(sleeper) == before


def test_one_processor_cannot_be_divided(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda who: {0})
    with pytest.raises(ValueError, match="one processor"), apart.apart():
        pass
