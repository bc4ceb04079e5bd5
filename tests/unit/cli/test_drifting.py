"""`lz drift --fix`: what the cloud refused is told, whatever comes after."""

from __future__ import annotations

from typing import Any
from unittest.mock import MagicMock

import pytest
import typer

from foundation.errors import LzError, Problem
from landing_zone.cli import drifting
from landing_zone.drift import repair
from landing_zone.drift.facts import Difference, Fact
from landing_zone.drift.look import Sight
from landing_zone.drift.repair import Repair
from landing_zone.engine.stack import StackKey

PORT = Difference("north", "not in the model", Fact("port", "x", "network", {}, "id"))
SIGHT = Sight("north", {}, (PORT,), {})


def test_who_says_no_to_the_stacks_still_hears_what_could_not_be_removed(monkeypatch: pytest.MonkeyPatch) -> None:
    def no(*_: Any, **__: Any) -> None:
        raise typer.Exit(1)

    planned = Repair(remove=(PORT,), restore=frozenset({StackKey("lab", "north", "network")}))
    monkeypatch.setattr(repair, "plan", lambda *_: planned)
    monkeypatch.setattr(repair, "carry_out", lambda *_: [Problem("port x could not be removed")])
    monkeypatch.setattr(drifting, "_restore", no)
    with pytest.raises(LzError, match="port x could not be removed"):
        drifting.put_right(MagicMock(), MagicMock(), [SIGHT], (), yes=True, quiet=True)
    monkeypatch.setattr(repair, "carry_out", lambda *_: [])
    with pytest.raises(typer.Exit):
        drifting.put_right(MagicMock(), MagicMock(), [SIGHT], (), yes=True, quiet=True)
