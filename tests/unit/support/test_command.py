"""A program that is killed after a while, with what it started; one that is quicker has ended by itself."""

from __future__ import annotations

import pytest

from tests.support import command
from tests.support.waiting import until


@pytest.mark.parametrize(("takes", "waits", "killed"), [("30", 0.2, True), ("0", 20, False)])
def test_killed_after(monkeypatch: pytest.MonkeyPatch, takes: str, waits: float, killed: bool) -> None:
    monkeypatch.setattr(command, "LZ", "sleep")
    process = command.start(takes)
    assert command.killed_after(process, waits) is killed
    assert process.returncode == (-9 if killed else 0)


def test_waiting_ends_with_a_true_answer_or_fails() -> None:
    answers = iter([0, "", "yes"])
    until(lambda: next(answers), 5, 0)
    assert next(answers, None) is None
    with pytest.raises(AssertionError, match="not within 0 s"):
        until(lambda: False, 0, 0)
