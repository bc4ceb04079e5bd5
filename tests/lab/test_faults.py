"""One tenant brought up while the cloud answers wrongly, late or not at all, and while `lz` is killed again and again: it ends done or
with a clear error, the same command goes on from there, and in the end the cloud is what the file says, with nothing in it twice."""

from __future__ import annotations

import json
import os
import random
import subprocess
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from lab.settings import Places
from landing_zone.engine.runs import Run
from tests.lab.conftest import LZ
from tests.support.command import lz
from tests.support.faults import KINDS, Fault, Kind, Proxy, schedule
from tests.support.keystone import make_certificates

# long: not yet seen to pass on the lab (`up` once hung after three faulty tries), so not yet a part of `make test`
pytestmark = [pytest.mark.lab, pytest.mark.long, pytest.mark.timeout(900)]

TENANT = ("--env", "lab", "--region", "north", "--tenant", "health")
SEED = int(os.environ.get("LZ_TEST_SEED", "20261128"))
# Calls that `up` of one tenant makes in any case, by method and service (it makes more, and others).
CALLS = {("POST", "network"): 30, ("POST", "identity"): 8, ("PUT", "identity"): 6, ("GET", "network"): 30, ("GET", "identity"): 20}
NETWORK = ("POST", "network")


@dataclass(frozen=True)
class Disturbed:
    """The way to the cloud that leads through the proxy."""

    proxy: Proxy
    clouds: Path

    def lz(self, *words: str) -> subprocess.CompletedProcess[str]:
        return lz(*words, clouds=self.clouds)


@pytest.fixture(scope="module")
def there(part: Run, where: Places, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Disturbed]:
    """The state of what is made through the proxy names it, so it is removed through it, too."""
    folder = tmp_path_factory.mktemp("faults")
    proxy = Proxy(make_certificates(folder / "proxy"), where.ca)
    there = Disturbed(proxy, folder / "clouds.yaml")
    proxy.clouds_file(where.clouds, there.clouds)
    try:
        down(there)
        yield there
        down(there)
    finally:
        proxy.close()


def down(there: Disturbed) -> None:
    done = there.lz("down", *TENANT, "--yes")
    assert done.returncode == 0, done.stderr


def as_the_file_says(there: Disturbed) -> None:
    """By the eyes of `lz drift`, which looks for what is too much as well as for what lacks, and by a plan in full."""
    drift = lz("drift", *TENANT, "--json")
    assert (drift.returncode, json.loads(drift.stdout)["differences"]) == (0, [])
    plan = there.lz("plan", *TENANT, "--full", "--json")
    assert [set(stack["changes"]) for stack in json.loads(plan.stdout)] == [{"same"}]


def up_under(there: Disturbed, faults: Sequence[Fault]) -> subprocess.CompletedProcess[str]:
    """`up` under faults ends done or with a clear error, and the next one, undisturbed, ends done."""
    with there.proxy.disturbed(faults) as struck:
        done = there.lz("up", *TENANT, "--yes")
    told = f"LZ_TEST_SEED={SEED}, {list(faults)}: {done.stderr[-3000:]}"
    assert set(struck) == set(faults) or done.returncode, f"some did not happen: {told}"
    assert struck, told
    assert "Traceback" not in done.stderr, told
    if done.returncode:
        assert done.returncode in {1, 2}, told
        assert "  cure:  " in done.stderr, told
    again = there.lz("up", *TENANT, "--yes")
    assert again.returncode == 0, f"{told}\nthen {again.stderr[-3000:]}"
    return done


# ------------------------------------------------------------------------------------------------- a sample, for make test
def test_up_gets_past_faults_and_what_an_answer_that_was_lost_had_made_is_not_there_twice(there: Disturbed) -> None:
    """What was created without an answer is looked for by its name and removed before the next try: done, and once only."""
    lost = Fault("lost answer", *NETWORK, first=3)
    some = random.Random(SEED).sample([kind for kind in KINDS if kind not in {"lost answer", "409"}], 3)
    done = up_under(there, [lost, *schedule(SEED, some, {NETWORK: CALLS[NETWORK] // 2})])
    assert done.returncode == 0, done.stderr
    assert "trying again" in done.stderr
    assert "removed half-made" in done.stderr
    as_the_file_says(there)


def test_up_that_is_killed_some_times_ends_as_an_undisturbed_one(there: Disturbed) -> None:
    down(there)
    killed = killed_often(there, 3)
    assert sum(killed) >= 2, "too few of the kills met a run"
    as_the_file_says(there)


def killed_often(there: Disturbed, times: int, longest: float = 14.0) -> list[bool]:
    """Begin `up` so many times and kill it at moments that the seed chooses; then let it end. Which of the kills met a run.

    Only `lz` itself is killed, as by hand: what it had started ends by itself, at a moment that nobody chose.
    """
    moments = random.Random(SEED)
    met = []
    for _ in range(times):
        process = subprocess.Popen(
            [LZ, "up", *TENANT, "--yes"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "OS_CLIENT_CONFIG_FILE": str(there.clouds)},
        )
        try:
            process.wait(timeout=moments.uniform(3, longest))
        except subprocess.TimeoutExpired:
            process.kill()
        met.append(process.wait() < 0)
        if not met[-1]:
            down(there)
    done = there.lz("up", *TENANT, "--yes")
    assert done.returncode == 0, f"LZ_TEST_SEED={SEED}: {done.stderr[-3000:]}"
    return met


# ------------------------------------------------------------------------------------------------------------------ long
@pytest.fixture(scope="module")
def calls(there: Disturbed) -> Counter[tuple[str, str]]:
    """What an undisturbed `up` asks of the cloud."""
    down(there)
    with there.proxy.disturbed([]):
        done = there.lz("up", *TENANT, "--yes")
    assert done.returncode == 0, done.stderr
    made = Counter(there.proxy.calls)
    assert all(made[call] >= count for call, count in CALLS.items()), made
    return made


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_fault_at_any_call(there: Disturbed, calls: Counter[tuple[str, str]], kind: Kind) -> None:
    """Three at calls that the seed chooses, one of them at a creation."""
    down(there)
    faults = schedule(SEED, [kind, kind], calls) + schedule(SEED + 1, [kind], {NETWORK: calls[NETWORK]})
    up_under(there, faults)
    as_the_file_says(there)


@pytest.mark.parametrize("kind", ["409", "429", "500", "503", "time-out", "reset", "lost answer"])
def test_a_fault_that_lasts_ends_with_a_clear_error_and_a_clean_resume(there: Disturbed, kind: Kind) -> None:
    down(there)
    done = up_under(there, [Fault(kind, *NETWORK, first=5, times=100_000)])
    assert done.returncode == 1, done.stderr
    as_the_file_says(there)


@pytest.mark.timeout(2400)
def test_twenty_kills_end_as_no_kill(there: Disturbed) -> None:
    down(there)
    assert sum(killed_often(there, 20)) >= 10, "too few of the kills met a run"
    as_the_file_says(there)
