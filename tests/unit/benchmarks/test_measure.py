"""What the benchmarks take and print, without a lab: every figure as often as there are rounds, with machine and load."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from benchmarks import instances, landing_zone, measure
from tests.support.waiting import until

COLUMNS = "| median s | least | most | runs |"


def test_a_figure_is_taken_from_the_beginning_to_the_end_of_the_block(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measure, "EVERY", 0.01)
    level = [5.0]
    with measure.watched(lambda: level[0]) as seen:
        assert set(seen) == {5.0}
        for value in (1.0, 9.0):
            level[0] = value
            until(lambda: seen[-1] == level[0])
    assert (seen[0], min(seen), seen[-1]) == (5.0, 1.0, 9.0)
    taken = len(seen)
    time.sleep(0.05)
    assert len(seen) == taken


def test_every_step_has_the_least_memory_that_was_left(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """6 GiB are left at first, then half a GiB less in each step than in the one before."""
    monkeypatch.setattr(measure, "EVERY", 0.01)
    monkeypatch.setattr(landing_zone, "STEPS", {"first up": ("up",), "down": ("down",)})
    left = [6.0]

    def run(words: tuple[str, ...]) -> None:
        left[0] -= 0.5
        time.sleep(0.05)

    monkeypatch.setattr(landing_zone, "run", run)
    monkeypatch.setattr(landing_zone, "memory_gib", lambda kind: left[0] if kind == "MemAvailable" else 99.0)
    monkeypatch.setattr("sys.argv", ["landing_zone", "--times", "2"])
    landing_zone.main()
    said = capsys.readouterr().out
    assert "cores" in said
    assert f"| step {COLUMNS}" in said
    assert "| first up | 5.0 | 4.5 | 5.5 | 2 |" in said
    assert "| down | 4.5 | 4.0 | 5.0 | 2 |" in said


class Ground:
    """Instances that are ready at once, each a second later than the one before."""

    def __init__(self) -> None:
        self.names: list[str] = []

    def launch(self, name: str) -> Any:
        self.names.append(name)
        return SimpleNamespace(seconds={})

    def await_active(self, box: Any) -> Any:
        box.seconds["active"] = float(len(self.names))
        return box

    def await_ssh(self, box: Any) -> Any:
        box.seconds["ssh"] = box.seconds["active"] + 10
        return box

    def ssh(self, box: Any, command: str) -> str:
        return "said\n0.25\n"

    def delete(self, box: Any) -> None:
        pass


def test_each_round_of_instances_begins_with_a_reset(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    did: list[str] = []

    @contextmanager
    def playground(region: Any) -> Iterator[Ground]:
        ground = Ground()
        yield ground
        did.append(f"{region.name}: {ground.names[0]} and {len(ground.names) - 1} more")

    monkeypatch.setattr(instances, "playground", playground)
    monkeypatch.setattr("lab.lifecycle.reset", lambda progress: did.append("reset"))
    monkeypatch.setattr("lab.lifecycle.standing", lambda where: SimpleNamespace(compute="uml"))
    monkeypatch.setattr(instances, "REST", 0)
    monkeypatch.setenv("LZ_CACHE", str(tmp_path))
    instances.main(["--region", "south", "--rounds", "2", "--together", "3"])
    assert did == ["reset", "south: first and 4 more"] * 2 + ["south: inside and 0 more"]
    said = capsys.readouterr().out
    assert "cores" in said
    assert "Instances by uml; load before each round: " in said
    assert f"| instances {COLUMNS}" in said
    for row in (
        "the first, image not yet there: active | 1.0 | 1.0 | 1.0 | 2",
        "the first, image not yet there: ssh | 11.0 | 11.0 | 11.0 | 2",
        "one alone: active | 2.0 | 2.0 | 2.0 | 2",
        "3 at once, the last: active | 5.0 | 5.0 | 5.0 | 2",
        "3 at once, the last: ssh | 15.0 | 15.0 | 15.0 | 2",
        "inside: computing | 0.2 | 0.2 | 0.2 | 2",
    ):
        assert f"| {row} |" in said
