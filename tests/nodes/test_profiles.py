"""A profile's life: made, looked at in check mode, hardened, again, rebooted, verified, taken away. Molecule drives it.

`base` and one other are tried each time, every other day another one; `make test-long` has the whole life of all.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from datetime import UTC, datetime

import pytest

from tests.nodes import scenario
from tests.nodes.conftest import traces
from tests.nodes.lives import SCORED, Lived, scored
from tests.nodes.scan import GOALS
from tests.nodes.scenario import Life

pytestmark = pytest.mark.timeout(1800)
OTHERS = [name for name in scenario.profiles() if name != SCORED]
DAY = int(os.environ.get("LZ_TEST_SEED") or datetime.now(UTC).date().toordinal())
VERIFIED = re.compile(r"^=+ \d+ passed in ", re.MULTILINE)  # as pytest says it when nothing failed and nothing was left out


def lived_well(profile: str, life: Life) -> None:
    """Raise AssertionError unless Molecule came to its end, did every step of the scenario, and nothing is left of it."""
    assert life.status == 0, life.tail
    assert life.names == scenario.sequence(profile)
    assert len(VERIFIED.findall(life.output)) == life.names.count("verify")
    assert traces(scenario.subject(profile)) == []
    assert not scenario.home(profile).exists()


def scored_well(profile: str, lived: Lived, record_property: Callable[[str, object], None]) -> None:
    """Note the scores. Raise AssertionError when a rule fails that is not waived, or a waived one does not fail."""
    for score in lived.scores:
        level, words = str(score).split(": ", 1)
        record_property(f"{level}, profile {profile}", words)
    assert [score.profile for score in lived.scores] == list(GOALS), lived.life.tail
    assert {score.profile: (score.failed, score.stale) for score in lived.scores if score.failed or score.stale} == {}


@pytest.mark.parametrize("profile", [SCORED, OTHERS[DAY % len(OTHERS)]])
def test_life(profile: str, lives: Mapping[str, Future[Lived]], record_property: Callable[[str, object], None]) -> None:
    """A whole life for `base`; for another, one of the themes that differ."""
    life = lives[profile].result().life
    record_property(f"node of profile {profile}", str(life))
    lived_well(profile, life)


@pytest.mark.parametrize("profile", [SCORED])
def test_scores(profile: str, lives: Mapping[str, Future[Lived]], record_property: Callable[[str, object], None]) -> None:
    """How many rules of the benchmark a hardened node passes, by a scanner that looks at it once it was verified."""
    lived = lives[profile].result()
    scored_well(profile, lived, record_property)
    assert {score.profile for score in lived.scores if len(score.passed) < GOALS[score.profile]} == set()


@pytest.mark.long
@pytest.mark.parametrize("whole", OTHERS)
def test_whole_life(whole: str, record_property: Callable[[str, object], None]) -> None:
    """All themes of a profile other than `base`; where a rule fails, the deviation is the profile's own."""
    lived = scored(whole)
    record_property(f"whole node of profile {whole}", str(lived.life))
    lived_well(whole, lived.life)
    scored_well(whole, lived, record_property)
