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
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import NamedTuple

import pytest
from openstack.connection import Connection

from lab.settings import Places
from landing_zone.engine.runs import Run
from tests.support import census
from tests.support.command import LZ, lz
from tests.support.faults import KINDS, Fault, Kind, Proxy, schedule
from tests.support.keystone import make_certificates

pytestmark = [pytest.mark.lab, pytest.mark.timeout(900)]

TENANT = ("--env", "lab", "--region", "north", "--tenant", "health")
TWIN = "edu"  # a tenant of the same shape, which stands and was never disturbed
SEED = int(os.environ.get("LZ_TEST_SEED", "20261128"))
SEEDED = f"LZ_TEST_SEED={SEED}"  # said of what fails: with it the same happens again
LASTING: tuple[Kind, ...] = ("409", "429", "500", "503", "time-out", "reset", "lost answer")  # those that end a try
NETWORK = ("POST", "network")
Calls = Counter[tuple[str, str]]  # how many there were of a method and a service
Things = Counter[tuple[str, str]]  # how many there are of a kind and a name


@dataclass(frozen=True)
class Disturbed:
    """The way to the cloud that leads through the proxy, and `admin`, which goes past it."""

    proxy: Proxy
    clouds: Path
    admin: Connection

    def lz(self, *words: str) -> subprocess.CompletedProcess[str]:
        return lz(*words, clouds=self.clouds)

    def killed(self, when: Callable[[Calls], bool], *words: str) -> bool:
        """Begin `lz` and kill it when the calls that it has made are such; whether it was still at work. It must not fail before.

        Only `lz` itself is killed, as by hand: what it had started is ended with it (see engine.leftovers).
        """
        variables = {**os.environ, "OS_CLIENT_CONFIG_FILE": str(self.clouds)}
        said = self.clouds.with_name("said")
        with self.proxy.disturbed([]), said.open("w") as stream:
            process = subprocess.Popen([LZ, *words], stdout=subprocess.DEVNULL, stderr=stream, env=variables)
            try:
                while process.poll() is None and not when(self.proxy.calls):
                    time.sleep(0.02)
            finally:
                process.kill()
        ended = process.wait()
        assert ended in {0, -signal.SIGKILL}, f"{SEEDED}: {said.read_text()[-3000:]}"
        return ended != 0

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
    assert done.returncode == 0, f"{SEEDED}: {done.stderr[-3000:]}"


def as_the_file_says(there: Disturbed) -> None:
    """By the eyes of `lz drift`, which looks for what is too much as well as for what lacks, and by a plan in full."""
    drift = lz("drift", *TENANT, "--json")
    assert (drift.returncode, json.loads(drift.stdout)["differences"]) == (0, [])
    plan = there.lz("plan", *TENANT, "--full", "--json")
    assert [set(stack["changes"]) for stack in json.loads(plan.stdout)] == [{"same"}]


def up_under(there: Disturbed, faults: Sequence[Fault]) -> subprocess.CompletedProcess[str]:
    """`up` under faults, of which one happens at least, ends done or with a clear error; when it is done, all of them have happened."""
    with there.proxy.disturbed(faults) as struck:
        done = there.lz("up", *TENANT, "--yes")
    told = f"{SEEDED}, {list(faults)}: {done.stderr[-3000:]}"
    assert struck, told
    assert set(struck) == set(faults) or done.returncode, f"some did not happen: {told}"
    assert done.returncode in {0, 1, 2}, told
    assert "Traceback" not in done.stderr, told
    assert not done.returncode or "  cure:  " in done.stderr, told
    return done


# ------------------------------------------------------------------------------------------------- a sample, for make test
def test_up_that_is_killed_and_then_meets_faults_ends_as_an_undisturbed_one(there: Disturbed) -> None:
    """What a call without an answer had made is looked for by its name and removed before the next try: done, and once only."""
    choose = random.Random(SEED)
    made = choose.randint(1, 8)
    assert there.killed(lambda calls: calls[NETWORK] >= made, "up", *TENANT, "--yes")
    kind = choose.choice([kind for kind in KINDS if kind != "lost answer"])
    done = up_under(there, [Fault("lost answer", *NETWORK, first=3), Fault(kind, *NETWORK, first=choose.choice([2, 4, 5]))])
    assert done.returncode == 0, done.stderr
    assert "trying again" in done.stderr
    assert "removed half-made" in done.stderr
    as_the_file_says(there)
    things = there.things()
    assert of_tenant("health", things) == of_tenant(TWIN, things)


def test_down_that_is_killed_is_ended_by_the_next(there: Disturbed) -> None:
    """That nothing is left is looked at by those who made `there`."""
    gone = random.Random(SEED).randint(1, 30)
    assert there.killed(lambda calls: calls["DELETE", "network"] >= gone, "down", *TENANT, "--yes")


def of_tenant(code: str, things: Things) -> Things:
    """Those with a tenant's code in their name, without the code."""
    named = re.compile(rf"\b{code}\b")
    return Counter({(kind, named.sub("*", name)): count for (kind, name), count in things.items() if named.search(name)})


# ------------------------------------------------------------------------------------------------------------------ long
class Undisturbed(NamedTuple):
    """What an undisturbed `up` asks of the cloud, by method and service, and what lives in the region after it."""

    calls: Calls
    things: Things


@pytest.fixture(scope="module")
def undisturbed(there: Disturbed) -> Undisturbed:
    down(there)
    with there.proxy.disturbed([]):
        up(there)
    calls = Counter(there.proxy.calls)
    assert calls[NETWORK] > 30, calls
    return Undisturbed(calls, there.things())


@pytest.mark.long
@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_fault_at_any_call(there: Disturbed, undisturbed: Undisturbed, kind: Kind) -> None:
    """Two at calls that the seed chooses, one of them at a creation."""
    down(there)
    creations = {NETWORK: undisturbed.calls[NETWORK]}
    faults = schedule(f"{SEED} {kind}", [kind], undisturbed.calls) + schedule(f"{SEED} {kind} creation", [kind], creations)
    if up_under(there, faults).returncode:
        up(there)
    as_the_file_says(there)
    assert there.things() == undisturbed.things


@pytest.mark.long
@pytest.mark.timeout(1800)  # ten minutes when others work on the machine, and what makes the lab and the twin stand before it
def test_a_fault_that_lasts_ends_with_a_clear_error_and_a_clean_resume(there: Disturbed, undisturbed: Undisturbed) -> None:
    """Of every kind, in an order that the seed chooses, in one `up` that is begun again and again."""
    down(there)
    for kind in random.Random(SEED).sample(LASTING, len(LASTING)):
        done = up_under(there, [Fault(kind, *NETWORK, first=3, times=100_000)])
        assert done.returncode == 1, f"{kind}: {done.stderr}"
    up(there)
    as_the_file_says(there)
    assert there.things() == undisturbed.things


@pytest.mark.long
@pytest.mark.timeout(2400)
def test_twenty_kills_end_as_no_kill(there: Disturbed, undisturbed: Undisturbed) -> None:
    """At moments that the seed chooses, in one `up` that is begun again and again; when it ends before its kill, anew from nothing."""
    moments = random.Random(SEED)
    down(there)
    for _ in range(20):
        moment = moments.randint(1, undisturbed.calls.total() * 9 // 10)
        while not there.killed(partial(reached, moment), "up", *TENANT, "--yes"):
            down(there)
    up(there)
    as_the_file_says(there)
    assert there.things() == undisturbed.things


def reached(total: int, calls: Calls) -> bool:
    return calls.total() >= total
