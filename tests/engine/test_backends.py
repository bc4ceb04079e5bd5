"""The engine's state in PostgreSQL, as in a folder: applied, read, locked, killed, repaired and removed, and its password nowhere."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from unittest.mock import MagicMock

import pulumi
import pytest

from foundation.errors import BusyError, LzError
from landing_zone.engine import checkpoints, copies, recovery
from landing_zone.engine.clouds import Cloud
from landing_zone.engine.doctor import Doctor
from landing_zone.engine.home import Home
from landing_zone.engine.opening import load_plan
from landing_zone.engine.recovery import Site
from landing_zone.engine.stack import StackKey, Stacks
from landing_zone.engine.stores import Store
from landing_zone.engine.stores.folder import Folder
from landing_zone.engine.stores.postgres import Table
from tests.support import postgres
from tests.support.postgres import Database
from tests.support.processes import Watcher

CANARY = "canary-0815-do-not-leak"
FIRST = StackKey("lab", "north", "identity")
SITE = Site(Cloud("lab-north", "https://cloud.example/v3", None), MagicMock())
SECOND = StackKey("lab", "north", "network")


@pytest.fixture(scope="module")
def database() -> Iterator[Database]:
    folder = Path(tempfile.mkdtemp(prefix="pg", dir="/tmp"))
    try:
        with postgres.running(folder) as made:
            yield made
    finally:
        shutil.rmtree(folder)


@pytest.fixture(params=["folder", "postgres"])
def stacks(request: pytest.FixtureRequest, tmp_path: Path, database: Database, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stacks]:
    monkeypatch.setenv("PGPASSFILE", str(database.passfile))
    made = fresh(tmp_path / "home", database if request.param == "postgres" else None)
    yield made
    shutil.rmtree(made.home.root)


def fresh(root: Path, database: Database | None) -> Stacks:
    """Stacks of an empty home, with their state in a table that is not there yet, or in a folder."""
    root.mkdir(mode=0o700)
    home = Home(root)
    store: Store = Table.of(f"{database.url}&table=t{os.urandom(4).hex()}") if database else Folder(home.backend)
    return Stacks(home, store)


def restored(source: Stacks, there: Stacks) -> list[str]:
    """The names of the stacks that a copy of one home has brought to another."""
    objects = copies.contents(source, [FIRST.region])[FIRST.region]
    return copies.put_back(there, objects, copies.unsealed(objects, source.home.passphrase), lambda _: None)


def first() -> None:
    pulumi.ComponentResource("lz:test:Part", "a")
    pulumi.export("ids", {"project": {"hub": "id-of-hub"}})
    pulumi.export("hidden", pulumi.Output.secret(CANARY))


def second() -> None:
    reference = pulumi.StackReference("organization/landing-zone/lab.north.identity")
    pulumi.export("hub", reference.get_output("ids").apply(lambda ids: ids["project"]["hub"]))


def everything(store: Store) -> str:
    return "\n".join((store.read(key) or b"").decode() for key in store.keys(""))


def test_a_store_is_empty_before_its_first_stack(stacks: Stacks) -> None:
    assert stacks.standing() == frozenset()
    assert stacks.resources(FIRST) == []
    assert recovery.locks(stacks.store, FIRST) == []


def test_the_life_of_two_stacks_with_every_secret_out_of_sight(stacks: Stacks, database: Database) -> None:
    with Watcher([CANARY, database.password, stacks.home.passphrase.read_text()]) as watcher:
        assert stacks.preview(FIRST, first).changed
        assert stacks.up(FIRST, first).problems == ()
        assert not stacks.preview(FIRST, first).changed
        assert stacks.up(SECOND, second).problems == ()
    assert stacks.outputs(SECOND)["hub"] == "id-of-hub"
    assert stacks.standing() == {FIRST.name, SECOND.name}
    assert CANARY not in everything(stacks.store)
    assert CANARY not in stacks.home.log(FIRST.name).read_text()
    assert database.password not in everything(stacks.store) + str(stacks.settings) + stacks.home.log(FIRST.name).read_text()
    assert watcher.seen("pulumi")
    assert watcher.found == []
    assert stacks.destroy(SECOND).good
    assert stacks.standing() == {FIRST.name}
    assert stacks.outputs(SECOND) == {}


def test_objects_are_written_as_the_engine_reads_them(stacks: Stacks) -> None:
    stacks.up(FIRST, first)
    place = checkpoints.checkpoint(FIRST.name)
    data = stacks.store.read(place)
    assert data is not None
    stacks.store.remove(place)
    assert stacks.standing() == frozenset()
    stacks.store.write(place, data)
    assert not stacks.preview(FIRST, first).changed
    exported = (stacks.export(FIRST).deployment or {})["resources"]  # with its secrets encrypted anew
    assert [one["urn"] for one in exported] == [one["urn"] for one in stacks.resources(FIRST)]


def test_a_copy_in_a_fresh_store_is_read_by_the_engine(stacks: Stacks, tmp_path: Path, database: Database) -> None:
    stacks.up(FIRST, first)
    there = fresh(tmp_path / "there", database if isinstance(stacks.store, Table) else None)
    assert restored(stacks, there) == [FIRST.name]
    assert there.standing() == {FIRST.name}
    seen = there.preview(FIRST, first)
    assert (seen.problems, seen.changed) == ((), False)
    assert there.up(SECOND, second).problems == ()
    assert there.outputs(SECOND)["hub"] == "id-of-hub"


@pytest.mark.parametrize("salted", [True, False])
def test_a_copy_that_brings_another_passphrase_can_be_worked_with(tmp_path: Path, salted: bool) -> None:
    """Also one of a machine that found all stacks standing, and so never made a salt."""
    source, there = fresh(tmp_path / "here", None), fresh(tmp_path / "there", None)
    source.up(FIRST, first)
    if not salted:
        source.home.salt.unlink()
    assert all(there.preview(key, first).good for key in (FIRST, SECOND))
    assert restored(source, there) == [FIRST.name]
    seen = there.preview(FIRST, first)
    assert (seen.problems, seen.changed) == ((), False)
    assert there.up(SECOND, second).problems == ()


HOLDER = """
import sys, time
from pathlib import Path
from landing_zone.engine.home import Home
from landing_zone.engine.stack import StackKey, Stacks
from landing_zone.engine.stores.folder import Folder
from landing_zone.engine.stores.postgres import Table
import pulumi
def slow():
    pulumi.ComponentResource("lz:test:Part", "a")
    Path(sys.argv[2]).touch()
    time.sleep(60)
store = Table.of(sys.argv[4]) if sys.argv[3] == "Table" else Folder(Path(sys.argv[4]))
Stacks(Home(Path(sys.argv[1])), store).up(StackKey("lab", "north", "identity"), slow)
"""


def test_a_killed_run_is_found_and_repaired_by_the_doctor(stacks: Stacks, tmp_path: Path) -> None:
    store, begun = stacks.store, tmp_path / "begun"
    where = store.url if isinstance(store, Table) else str(stacks.home.backend)
    words = [sys.executable, "-c", HOLDER, str(stacks.home.root), str(begun), type(store).__name__, where]
    killed = subprocess.Popen(words, start_new_session=True)
    try:
        while not begun.exists():
            assert killed.poll() is None
            time.sleep(0.1)
        doctor = Doctor(load_plan("lab"), stacks, {"north": SITE})
        busy = doctor.examine()
        assert [(each.stack, each.kind, each.ours) for each in busy] == [(FIRST.name, "lock", False)]
        lock = recovery.locks(store, FIRST)[0]
        os.kill(lock.pid, signal.SIGKILL)
        while lock.held:
            time.sleep(0.05)
    finally:
        os.kill(killed.pid, signal.SIGKILL)
        killed.wait()
    found = doctor.examine()
    assert [(each.kind, each.ours) for each in found] == [("lock", True)]
    assert "is gone" in found[0].seen
    doctor.repair(found, lambda _: None)
    assert doctor.examine() == []
    assert stacks.up(FIRST, first).good


def test_the_lock_of_another_machine_stops_a_run(stacks: Stacks) -> None:
    place = f"{checkpoints.locks(FIRST.name)}x.json"
    stacks.up(FIRST, first)
    stacks.store.write(
        place, json.dumps({"pid": 1, "username": "mai", "hostname": "elsewhere", "timestamp": "2026-01-01T00:00:00Z"}).encode()
    )
    with pytest.raises(BusyError, match="--break-locks"):
        recovery.release_lock(stacks.store, FIRST, print)
    assert not stacks.up(FIRST, first).good
    doctor = Doctor(load_plan("lab"), stacks, {"north": SITE}, break_locks=True)
    doctor.repair(doctor.examine(), lambda _: None)
    assert stacks.up(FIRST, first).good


def test_a_damaged_state_is_put_back_and_the_engine_takes_it(stacks: Stacks) -> None:
    stacks.up(FIRST, first)
    place = checkpoints.checkpoint(FIRST.name)
    whole = stacks.store.read(place) or b""
    stacks.store.write(place, whole[: len(whole) // 2])
    with pytest.raises(LzError, match="lz state doctor"):
        stacks.resources(FIRST)
    doctor = Doctor(load_plan("lab"), stacks, {"north": SITE})
    doctor.repair(doctor.examine(), lambda _: None)
    assert doctor.examine() == []
    assert stacks.up(FIRST, first).good
    assert stacks.outputs(FIRST)["ids"] == {"project": {"hub": "id-of-hub"}}


def test_a_database_that_does_not_answer_is_named_without_a_password(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGPASSFILE", "/nowhere")
    with pytest.raises(LzError, match="refuses") as caught:
        Table.of(database.url).keys("")
    assert "PGPASSFILE" in str(caught.value)
    assert database.password not in str(caught.value)
