"""Jobs run after those that they need, side by side where they may, and not at all after a failure."""

from __future__ import annotations

import threading
import time

import pytest

from landing_zone.engine.schedule import run

NEEDS: dict[str, frozenset[str]] = {
    "identity": frozenset(),
    "network": frozenset({"identity"}),
    "edu": frozenset({"identity", "network"}),
    "health": frozenset({"identity", "network"}),
}


def test_each_runs_after_what_it_needs() -> None:
    order: list[str] = []
    run(NEEDS, order.append, 4)
    assert order[:2] == ["identity", "network"]
    assert sorted(order[2:]) == ["edu", "health"]


def test_independent_jobs_run_side_by_side_and_no_more_than_allowed() -> None:
    lock, now, most = threading.Lock(), [0], [0]

    def job(_: int) -> None:
        with lock:
            now[0] += 1
            most[0] = max(most[0], now[0])
        time.sleep(0.05)
        with lock:
            now[0] -= 1

    run({number: frozenset() for number in range(6)}, job, 3)
    assert most[0] == 3


def test_what_builds_on_a_failure_is_left_out_and_the_rest_is_done() -> None:
    needs = {**NEEDS, "south": frozenset[str]()}
    done = run(needs, lambda key: key != "network", 2, good=lambda result: result)
    assert done == {"identity": True, "network": False, "south": True}


def test_needs_that_are_not_among_the_keys_do_not_count() -> None:
    assert run({"edu": frozenset({"network"})}, str.upper, 1) == {"edu": "EDU"}


def test_an_exception_comes_out_once_the_others_have_ended() -> None:
    ended: list[str] = []

    def job(key: str) -> None:
        if key == "bad":
            raise KeyError(key)
        time.sleep(0.1)
        ended.append(key)

    with pytest.raises(KeyError):
        run({"bad": frozenset(), "good": frozenset()}, job, 2)
    assert ended == ["good"]
