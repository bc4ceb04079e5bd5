"""What passes by itself is tried again, and nothing else is; two tries are told as one."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from openstack.exceptions import SDKException

from foundation.errors import Problem
from landing_zone.engine import tries
from landing_zone.engine.stack import Outcome, StackKey

KEY = StackKey("lab", "north", "network")
GOOD = Outcome(KEY, "up", {"create": 2, "same": 3}, ("create network b",), True, 5, 1.0)
LOST = Outcome(KEY, "up", {"create": 3, "same": 0}, ("create network a",), True, 3, 2.0, (Problem("connection lost"),), passing=True)
BROKEN = Outcome(KEY, "up", {}, (), True, 0, 1.0, (Problem("no valid host"),))


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tries, "PAUSES", (0.0, 0.0, 0.0))


class Asked:
    """Gives the outcomes one after the other, and remembers in which order it was asked and cleared."""

    def __init__(self, *outcomes: Outcome) -> None:
        self.outcomes = list(outcomes)
        self.did: list[str] = []
        self.said: list[str] = []

    def do(self) -> Outcome:
        self.did.append("do")
        return self.outcomes.pop(0)

    def clear(self) -> None:
        self.did.append("clear")

    def persist(self, clear: Callable[[], object] | None = None) -> Outcome:
        return tries.persist(self.do, clear or self.clear, self.said.append)


def test_what_passes_is_cleared_and_tried_again() -> None:
    asked = Asked(LOST, LOST, GOOD)
    outcome = asked.persist()
    assert outcome.good
    assert asked.did == ["do", "clear", "do", "clear", "do"]
    assert "connection lost; trying again" in asked.said[0]


def test_tries_are_told_as_one() -> None:
    outcome = Asked(LOST, GOOD).persist()
    assert outcome.changes == {"create": 5}
    assert outcome.details == ("create network a", "create network b")
    assert outcome.seconds == 3.0
    assert outcome.resources == 5


@pytest.mark.parametrize("first", [GOOD, BROKEN])
def test_what_went_well_or_does_not_pass_is_not_tried_again(first: Outcome) -> None:
    asked = Asked(first)
    assert asked.persist() == first
    assert asked.did == ["do"]


def test_it_ends() -> None:
    asked = Asked(*[LOST] * 9)
    assert not asked.persist().good
    assert asked.did.count("do") == 4


def test_without_clearing_there_is_no_other_try_and_the_failure_itself_is_told() -> None:
    asked = Asked(LOST, GOOD)

    def clear() -> None:
        raise SDKException("no answer")

    assert asked.persist(clear) == LOST
    assert asked.did == ["do"]
    assert [line for line in asked.said if "no answer" in line] == [
        f"{KEY.name}: what was left half made could not be looked for: no answer"
    ] * 3


def test_clearing_is_tried_again_too() -> None:
    asked, answers = Asked(LOST, GOOD), iter([False, True])

    def clear() -> None:
        if not next(answers):
            raise SDKException("no answer")

    assert asked.persist(clear).good
