"""One tenant brought up while the cloud answers wrongly, late or not at all, and while `lz` is killed again and again.

It ends done or with a clear error, the same command goes on from there, and in the end the cloud is what the file says and what an
undisturbed run makes of it: nothing in it twice, and nothing left after its removal.
"""

from __future__ import annotations

import json
import os
import random
import re
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import pytest
from openstack.connection import Connection

from lab.settings import Places
from landing_zone.engine import census
from landing_zone.engine.runs import Run
from tests.support.command import LZ, lz
from tests.support.faults import KINDS, Fault, Kind, Proxy, schedule
from tests.support.keystone import make_certificates

pytestmark = [pytest.mark.lab, pytest.mark.timeout(900)]

TENANT = ("--env", "lab", "--region", "north", "--tenant", "health")
TWIN = "edu"  # a tenant of the same shape, which stands and was never disturbed
SEED = int(os.environ.get("LZ_TEST_SEED", "20261128"))
# Calls that `up` of one tenant makes in any case, by method and service (it makes more, and others).
CALLS = {("POST", "network"): 30, ("POST", "identity"): 8, ("PUT", "identity"): 6, ("GET", "network"): 30, ("GET", "identity"): 20}
NETWORK = ("POST", "network")
Things = Counter[tuple[str, str]]  # how many there are of a kind and a name


@dataclass(frozen=True)
class Disturbed:
    """The way to the cloud that leads through the proxy, and `admin`, which goes past it."""

    proxy: Proxy
    clouds: Path
    admin: Connection

    def lz(self, *words: str) -> subprocess.CompletedProcess[str]:
        return lz(*words, clouds=self.clouds)

    def killed(self, after: int, *words: str) -> bool:
        """Begin `lz` and kill it when it has made so many calls; whether it was still at work.

        Only `lz` itself is killed, as by hand: what it had started ends by itself, at a moment that nobody chose.
        """
        variables = {**os.environ, "OS_CLIENT_CONFIG_FILE": str(self.clouds)}
        with self.proxy.disturbed([]):
            process = subprocess.Popen([LZ, *words], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=variables)
            try:
                while process.poll() is None and self.proxy.calls.total() < after:
                    time.sleep(0.02)
            finally:
                process.kill()
        return process.wait() == -signal.SIGKILL

    def things(self) -> Things:
        """What lives in the region, without the ids, which are others in each run."""
        return Counter((kind, thing.rpartition(" (")[0]) for kind, things in census.take(self.admin).items() for thing in things)


@pytest.fixture(scope="module")
def there(part: Run, where: Places, admin: Connection, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Disturbed]:
    """The state of what is made through the proxy names it, so it is removed through it, too: afterwards nothing is left."""
    folder = tmp_path_factory.mktemp("faults")
    proxy = Proxy(make_certificates(folder / "proxy"), where.ca)
    there = Disturbed(proxy, folder / "clouds.yaml", admin)
    proxy.clouds_file(where.clouds, there.clouds)
    try:
        down(there)
        before = census.take(admin)
        yield there
        down(there)
        assert census.left_over(before, census.take(admin)) == []
    finally:
        proxy.close()


def down(there: Disturbed) -> None:
    done = there.lz("down", *TENANT, "--yes")
    assert done.returncode == 0, done.stderr


def up(there: Disturbed) -> None:
    done = there.lz("up", *TENANT, "--yes")
    assert done.returncode == 0, f"LZ_TEST_SEED={SEED}: {done.stderr[-3000:]}"


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


def test_down_and_up_that_are_killed_end_as_an_undisturbed_up(there: Disturbed) -> None:
    moments = random.Random(SEED)
    assert there.killed(moments.randint(50, 120), "down", *TENANT, "--yes")
    assert there.killed(moments.randint(50, 120), "up", *TENANT, "--yes")
    up(there)
    as_the_file_says(there)
    things = there.things()
    assert of_tenant("health", things) == of_tenant(TWIN, things)


def of_tenant(code: str, things: Things) -> Things:
    """Those with a tenant's code in their name, without the code."""
    named = re.compile(rf"\b{code}\b")
    return Counter({(kind, named.sub("*", name)): count for (kind, name), count in things.items() if named.search(name)})


# ------------------------------------------------------------------------------------------------------------------ long
class Undisturbed(NamedTuple):
    """What an undisturbed `up` asks of the cloud, by method and service, and what lives in the region after it."""

    calls: Counter[tuple[str, str]]
    things: Things


@pytest.fixture(scope="module")
def undisturbed(there: Disturbed) -> Undisturbed:
    down(there)
    with there.proxy.disturbed([]):
        up(there)
    calls = Counter(there.proxy.calls)
    assert all(calls[call] >= count for call, count in CALLS.items()), calls
    return Undisturbed(calls, there.things())


@pytest.mark.long
@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_fault_at_any_call(there: Disturbed, undisturbed: Undisturbed, kind: Kind) -> None:
    """Three at calls that the seed chooses, one of them at a creation."""
    down(there)
    calls = undisturbed.calls
    faults = schedule(SEED, [kind, kind], calls) + schedule(SEED + 1, [kind], {NETWORK: calls[NETWORK]})
    up_under(there, faults)
    as_the_file_says(there)
    assert there.things() == undisturbed.things


@pytest.mark.long
@pytest.mark.parametrize("kind", ["409", "429", "500", "503", "time-out", "reset", "lost answer"])
def test_a_fault_that_lasts_ends_with_a_clear_error_and_a_clean_resume(there: Disturbed, undisturbed: Undisturbed, kind: Kind) -> None:
    down(there)
    done = up_under(there, [Fault(kind, *NETWORK, first=5, times=100_000)])
    assert done.returncode == 1, done.stderr
    as_the_file_says(there)
    assert there.things() == undisturbed.things


@pytest.mark.long
@pytest.mark.timeout(2400)
def test_twenty_kills_end_as_no_kill(there: Disturbed, undisturbed: Undisturbed) -> None:
    """At moments that the seed chooses, in one `up` that is begun again and again; when it ends before its kill, anew from nothing."""
    moments = random.Random(SEED)
    down(there)
    for _ in range(20):
        while not there.killed(moments.randint(1, undisturbed.calls.total()), "up", *TENANT, "--yes"):
            down(there)
    up(there)
    as_the_file_says(there)
    assert there.things() == undisturbed.things
