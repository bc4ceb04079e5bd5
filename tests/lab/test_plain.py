"""A stack that is made and removed by `pulumi` alone, by the program that Pulumi.yaml names: `lz` takes it as one of its own."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from landing_zone.engine.runs import Run
from tests.lab.conftest import PART
from tests.support.command import lz
from tests.support.without_lz import pulumi_in, without_lz

pytestmark = [pytest.mark.lab, pytest.mark.timeout(600)]

STACK = "lab.north.tenant-edu"


def states() -> dict[str, str]:
    """Whether each stack of PART stands."""
    return {row["layer"]: row["state"] for row in json.loads(lz("status", *PART, "--json").stdout)}


def test_pulumi_makes_and_removes_a_stack_by_itself(part: Run, tmp_path: Path) -> None:
    down = lz("down", "--env", "lab", "--region", "north", "--layer", "tenant-edu", "--yes")
    assert down.returncode == 0, down.stderr
    programs = pulumi_in(tmp_path)
    made = without_lz("lab", f"pulumi stack init {STACK} && pulumi up --yes --non-interactive --stack {STACK}", programs)
    assert made.returncode == 0, made.stdout + made.stderr
    assert states()["tenant-edu"] == "stands"
    plan = lz("plan", *PART, "--full", "--json")
    assert plan.returncode == 0, plan.stderr
    assert [set(stack["changes"]) for stack in json.loads(plan.stdout)] == [{"same"}] * 3
    removed = without_lz("lab", f"pulumi destroy --yes --non-interactive --remove --stack {STACK}", programs)
    assert removed.returncode == 0, removed.stdout + removed.stderr
    assert states()["tenant-edu"] != "stands"
    again = lz("up", *PART, "--yes")
    assert again.returncode == 0, again.stderr
