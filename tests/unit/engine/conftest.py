"""A run on an environment without engine and cloud."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest.mock import MagicMock

import pytest

from landing_zone.engine import runs
from landing_zone.engine.clouds import Cloud
from landing_zone.engine.home import Home
from landing_zone.engine.runs import Run
from tests.unit.engine.support import FakeStacks, plan


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Run:
    stacks: Any = FakeStacks(Home(tmp_path))

    @contextlib.contextmanager
    def in_process(*_: Any) -> Iterator[Any]:
        crew = MagicMock()
        crew.do.side_effect = lambda order: order(stacks)
        yield crew

    monkeypatch.setattr(runs, "hired", in_process)
    monkeypatch.setattr(runs, "_program", lambda *_: lambda: None)
    clouds = {region.cloud: Cloud(region.cloud, "https://cloud.example", None) for region in plan().regions.values()}
    return Run(plan(), stacks, clouds, {}, lambda _: None, width=1)
