"""What Molecule says of its steps, and what scenarios say of theirs."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.nodes import scenario
from tests.nodes.scenario import Life, profiles, sequence

WHOLE = ["destroy", "create", "check", "converge", "idempotence", "side_effect", "verify", "destroy"]
SAID = """INFO     [base > discovery] scenario test matrix: destroy, create
INFO     [base > destroy] Executing
WARNING  [base > destroy] Skipping, '--destroy=never' requested.
INFO     [base > destroy] Executed: Successful
INFO     [base > create] Executing
WARNING  [base > create] Something is old.
INFO     [base > create] Executed: Successful
INFO     [base > prepare] Executing
WARNING  [base > prepare] Executed: Missing playbook (Remove from test_sequence to suppress)
INFO     [base > converge] Executing
ERROR    [base > converge] \033[31mExecuted: Failed\033[0m
"""


@pytest.fixture
def told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A Molecule that says SAID and ends with 2."""
    program = tmp_path / "molecule"
    program.write_text(f"#!/bin/sh\ncat <<'END'\n{SAID}END\nexit 2\n")
    program.chmod(0o755)
    monkeypatch.setattr(scenario, "BIN", tmp_path)
    monkeypatch.setenv("LZ_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(scenario, "is_up", lambda profile: False)
    return tmp_path


def test_steps_that_were_left_out_or_failed_are_not_counted(told: Path) -> None:
    lines: list[str] = []
    life = scenario.molecule("base", "test", tell=lines.append)
    assert (life.status, life.names) == (2, ["create"])
    assert life.output == "".join(lines) == SAID


def test_what_molecule_kept_goes_with_the_node(told: Path) -> None:
    scenario.molecule("base", "test")
    assert not scenario.home("base").exists()


def test_lives_one_after_the_other_are_one_and_a_failure_stays() -> None:
    whole = Life(0, (("create", 1.0),), "a") + Life(3, (), "b") + Life(0, (("destroy", 2.0),), "c")
    assert (whole.status, str(whole), whole.output) == (3, "create 1 s, destroy 2 s", "abc")


def test_every_profile_has_a_scenario_with_every_step() -> None:
    declared = {file.stem for file in (scenario.ROLE / "vars" / "profiles").glob("*.yml")}
    assert set(profiles()) == declared
    for profile in profiles():
        steps = sequence(profile)
        assert [step for step in steps if step != "prepare"] == WHOLE or profile == "base"
    assert sequence("base") == ["destroy", "create", "prepare", "check", "verify", *WHOLE[3:]]
