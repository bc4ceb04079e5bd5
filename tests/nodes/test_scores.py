"""How many rules of the benchmark a hardened node passes. Last of all: the scanner takes its time, beside the other tests."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.nodes.scan import GOALS, Score

pytestmark = pytest.mark.timeout(1800)


def test_scores(scores: list[Score], record_property: Callable[[str, object], None]) -> None:
    for score in scores:
        record_property(score.profile, str(score))
    assert [score.stale for score in scores] == [() for _ in scores]
    short = {score.profile: score.failed for score in scores if len(score.passed) < GOALS[score.profile]}
    assert short == {}
