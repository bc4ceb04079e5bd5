"""State files and what is in them."""

from __future__ import annotations

import json
import stat
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.compute.driver import cpus
from lab.compute.driver.state import FIRST_USER, IMAGE_USER, Instance, Nic, Store, Volume

UUID = "6f70656e-7374-4163-8b20-6c616e64696e"
OTHER = "00000000-0000-4000-8000-000000000000"
VOLUME = Volume("v1", "/dev/vdb", "/p", "/share", "file", "qcow2")


def instance(uuid: str = UUID, user: int = FIRST_USER + 1) -> Instance:
    return Instance(uuid, "instance-1", user, 1, 512, 5)


def test_what_is_saved_is_loaded_again(tmp_path: Path) -> None:
    store = Store(tmp_path)
    saved = replace(instance().with_volume(VOLUME).with_nic("p1", "fa:16:3e:00:00:01", 1500), cpus=(0, 1), base="/b")
    store.save(saved)
    assert store.load(UUID) == saved
    assert list(store.all()) == [saved]
    assert stat.S_IMODE((tmp_path / UUID / "state.json").stat().st_mode) == 0o600


def test_an_unknown_instance_is_none(tmp_path: Path) -> None:
    assert Store(tmp_path).load(UUID) is None
    assert list(Store(tmp_path / "absent").all()) == []


def test_folders_of_others_are_not_instances(tmp_path: Path) -> None:
    for name in ("_base", "locks", UUID):
        (tmp_path / name).mkdir()
    assert list(Store(tmp_path).all()) == []


@pytest.mark.parametrize("name", ["../../etc", "", "x", "_base"])
def test_only_a_uuid_becomes_a_path(tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError, match="badly formed"):
        Store(tmp_path).home(name)


def test_a_crash_while_writing_leaves_the_old_state(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.save(instance())
    (tmp_path / UUID / "state.json.part").write_text("{ half")
    loaded = store.load(UUID)
    assert loaded is not None
    assert loaded.name == "instance-1"
    json.loads((tmp_path / UUID / "state.json").read_text())


def test_every_instance_has_a_user_of_its_own(tmp_path: Path) -> None:
    store = Store(tmp_path)
    assert store.free_user() == IMAGE_USER + 1
    store.save(instance(UUID, IMAGE_USER + 1))
    assert store.free_user() == IMAGE_USER + 2
    store.save(instance(OTHER, IMAGE_USER + 3))
    assert store.free_user() == IMAGE_USER + 2


def test_ports_keep_their_index() -> None:
    with_two = instance().with_nic("a", "m", 1500).with_nic("b", "m", 1500)
    assert [(nic.port, nic.index) for nic in with_two.nics] == [("a", 0), ("b", 1)]
    assert with_two.with_nic("b", "m", 1400).nic("b") == Nic("b", 1, "m", 1400)
    refilled = with_two.without_nic("a").with_nic("c", "m", 1500)
    assert refilled.nic("c") == Nic("c", 0, "m", 1500)


def test_volumes_are_known_by_id() -> None:
    moved = instance().with_volume(VOLUME).with_volume(replace(VOLUME, file="other"))
    assert moved.volumes == (replace(VOLUME, file="other"),)
    assert moved.without_volume("v1").volumes == ()
    assert VOLUME.unit == 1


def test_instances_are_spread_over_the_processors() -> None:
    assert cpus.plan(1, [0, 1], []) == (0,)
    assert cpus.plan(1, [0, 1], [(0,)]) == (1,)
    assert cpus.plan(1, [0, 1], [(0,), (1,)]) == (0,)
    assert cpus.plan(2, [0, 1], [(0,)]) == (0, 1)
    assert cpus.plan(4, [2, 3], [(7,)]) == (2, 3)


@given(st.integers(1, 9), st.lists(st.integers(0, 63), min_size=1, unique=True), st.lists(st.lists(st.integers(0, 63), max_size=4)))
def test_a_plan_has_real_processors_and_no_more_than_wanted(wanted: int, available: list[int], taken: list[list[int]]) -> None:
    plan = cpus.plan(wanted, available, taken)
    assert set(plan) <= set(available)
    assert len(plan) == min(wanted, len(available)) == len(set(plan))
