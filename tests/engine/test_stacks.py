"""Stacks on the real engine with a local backend and no cloud: order of events, guard rails, secrets, kills and resumes."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pulumi
import pulumi_openstack as openstack
import pytest

from foundation.errors import BusyError, LzError
from landing_zone.engine import checkpoints, recovery
from landing_zone.engine.home import Home
from landing_zone.engine.stack import StackKey, Stacks
from landing_zone.engine.stores.folder import Folder
from policy.guard import Watch
from policy.rules import Facts

CANARY = "canary-4711-do-not-leak"
FACTS = Facts(False, frozenset({"north"}), frozenset(), frozenset(), frozenset())
FIRST = StackKey("unit", "north", "identity")
SECOND = StackKey("unit", "north", "network")


@pytest.fixture
def stacks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stacks]:
    file = tmp_path / "clouds.yaml"
    auth = "{auth_url: 'https://127.0.0.1:1/v3', username: u, password: p, project_name: p, user_domain_name: d, project_domain_name: d}"
    file.write_text(f"clouds:\n  nowhere:\n    auth: {auth}\n")
    monkeypatch.setenv("OS_CLIENT_CONFIG_FILE", str(file))
    home = tmp_path / "home"
    home.mkdir(mode=0o700)
    yield Stacks(Home(home), Folder(Home(home).backend))
    shutil.rmtree(home)


class Part(pulumi.ComponentResource):
    """Something that needs no cloud."""

    def __init__(self, name: str) -> None:
        super().__init__("lz:test:Part", name)


def first() -> None:
    Part("a")
    pulumi.export("ids", {"project": {"hub": "id-of-hub"}})
    pulumi.export("hidden", pulumi.Output.secret(CANARY))


def second() -> None:
    reference = pulumi.StackReference("organization/landing-zone/unit.north.identity")
    pulumi.export("hub", reference.get_output("ids").apply(lambda ids: ids["project"]["hub"]))


def test_second_preview_is_empty_and_a_later_stack_reads_an_earlier_one(stacks: Stacks) -> None:
    assert stacks.preview(FIRST, first).changed
    assert stacks.up(FIRST, first).good
    assert not stacks.preview(FIRST, first).changed
    assert stacks.up(SECOND, second).good
    assert stacks.outputs(SECOND)["hub"] == "id-of-hub"
    assert stacks.standing() == {FIRST.name, SECOND.name}
    assert not stacks.refresh_preview(SECOND).changed
    assert stacks.destroy(SECOND).good
    assert stacks.standing() == {FIRST.name}
    assert stacks.outputs(SECOND) == {}


def guarded() -> None:
    for name in ("books", "papers"):
        pulumi.ComponentResource("lz:test:Part", name, opts=pulumi.ResourceOptions(protect=True))


def test_what_is_protected_goes_only_when_its_protection_was_taken_off(stacks: Stacks) -> None:
    assert stacks.up(FIRST, guarded).good
    protected = {one["urn"].rsplit("::", 1)[-1]: one["urn"] for one in stacks.resources(FIRST) if one.get("protect")}
    assert set(protected) == {"books", "papers"}
    stacks.unprotect(FIRST, [protected["books"]])
    assert [one["urn"] for one in stacks.resources(FIRST) if one.get("protect")] == [protected["papers"]]
    assert not stacks.destroy(FIRST).good
    stacks.unprotect(FIRST, [protected["papers"]])
    assert stacks.destroy(FIRST).good
    assert stacks.standing() == frozenset()


def test_the_version_of_a_state_is_another_after_each_change_and_the_same_after_a_look(stacks: Stacks) -> None:
    assert stacks.versions() == {}
    stacks.up(FIRST, first)
    made = stacks.versions()
    assert set(made) == {FIRST.name}
    stacks.preview(FIRST, first)
    stacks.refresh_preview(FIRST)
    assert stacks.versions() == made
    stacks.refresh(FIRST)
    refreshed = stacks.versions()
    assert refreshed != made
    stacks.up(FIRST, first)
    assert stacks.versions() not in (made, refreshed)


def test_the_engine_is_started_once_for_an_operation_on_a_further_stack(stacks: Stacks, monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[str] = []
    spawn = subprocess.Popen

    def watched(words: list[str], **how: Any) -> Any:
        if words[0].endswith("/pulumi"):
            started.append(next(word for word in words[1:] if not word.startswith("-")))
        return spawn(words, **how)

    stacks.up(FIRST, first)
    monkeypatch.setattr("pulumi.automation._cmd.subprocess.Popen", watched)
    again = Stacks(stacks.home, stacks.store)
    assert again.preview(SECOND, second).good
    assert again.up(SECOND, second).good
    assert again.destroy(SECOND).good
    assert started == ["preview", "up", "destroy"]
    assert again.standing() == {FIRST.name}
    assert again.preview(SECOND, second).changed
    assert again.standing() == {FIRST.name, SECOND.name}
    assert again.destroy(SECOND).good  # also one that never had anything in it
    assert again.standing() == {FIRST.name}


def test_all_stacks_share_one_salt_so_that_reading_each_other_is_cheap(stacks: Stacks) -> None:
    stacks.up(FIRST, first)
    stacks.up(SECOND, second)
    salts = {
        json.loads(path.read_text())["checkpoint"]["latest"]["secrets_providers"]["state"]["salt"]
        for path in stacks.home.backend.glob(".pulumi/stacks/landing-zone/*.json")
    }
    assert salts == {stacks.home.salt.read_text()}


def test_secrets_are_in_no_file_in_clear_and_private_files_are_private(stacks: Stacks) -> None:
    stacks.up(FIRST, first)
    passphrase = stacks.home.passphrase.read_text()
    for path in stacks.home.root.rglob("*"):
        if path.is_file():
            text = path.read_text(errors="replace")
            assert CANARY not in text, path
            assert passphrase not in text or path == stacks.home.passphrase, path
    assert stacks.home.passphrase.stat().st_mode & 0o077 == 0
    assert stacks.home.root.stat().st_mode & 0o077 == 0


async def world_open() -> None:
    watch = Watch(FACTS)
    watch.begin()
    options = pulumi.ResourceOptions(provider=openstack.Provider("admin", cloud="nowhere", region="north"))
    group = openstack.networking.SecGroup("app", name="app", delete_default_rules=True, opts=options)
    for port in (22, 23):
        openstack.networking.SecGroupRule(
            f"app.{port}",
            direction="ingress",
            ethertype="IPv4",
            protocol="tcp",
            port_range_min=port,
            port_range_max=port,
            remote_ip_prefix="0.0.0.0/0",
            security_group_id=group.id,
            opts=options,
        )
    try:
        await watch.verdict()
    except LzError as error:
        raise pulumi.RunError(str(error)) from None


def test_guard_rails_stop_the_preview_with_every_violation(stacks: Stacks) -> None:
    outcome = stacks.preview(SECOND, world_open)
    assert not outcome.good
    broken = [problem for problem in outcome.problems if problem.what == "NET-02: lets in 0.0.0.0/0"]
    assert sorted(problem.where.splitlines()[0] for problem in broken) == ["SecGroupRule app.22", "SecGroupRule app.23"]
    assert all(problem.cure.startswith("name the prefixes") for problem in broken)


def test_what_holds_data_is_not_made_without_protection(stacks: Stacks) -> None:
    def program(*, protect: bool) -> Callable[[], Awaitable[None]]:
        async def made() -> None:
            watch = Watch(FACTS)
            watch.begin()
            provider = openstack.Provider("admin", cloud="nowhere", region="north")
            part = pulumi.ComponentResource("lz:test:Part", "p", opts=pulumi.ResourceOptions(provider=provider, protect=protect))
            openstack.blockstorage.Volume("papers", name="papers", size=1, opts=pulumi.ResourceOptions(parent=part))
            try:
                await watch.verdict()
            except LzError as error:
                raise pulumi.RunError(str(error)) from None

        return made

    outcome = stacks.preview(SECOND, program(protect=False))
    assert [problem.what for problem in outcome.problems] == ["BCK-01: holds data and is not protected"]
    assert stacks.preview(SECOND, program(protect=True)).good


def test_guard_rails_stop_an_apply_before_the_resource_is_made(stacks: Stacks) -> None:
    async def program() -> None:
        watch = Watch(FACTS)
        watch.begin()
        openstack.networking.SecGroup("app", name="app", opts=pulumi.ResourceOptions(provider=openstack.Provider("admin", cloud="nowhere")))
        await asyncio.sleep(0)

    outcome = stacks.up(SECOND, program)
    assert not outcome.good
    assert "NET-02: keeps the default rules" in "\n".join(map(str, outcome.problems))
    assert [one for one in stacks.resources(SECOND) if one["type"].startswith("openstack:")] == []


def test_cloud_that_does_not_answer_is_named_with_the_resource(stacks: Stacks) -> None:
    def program() -> None:
        options = pulumi.ResourceOptions(provider=openstack.Provider("admin", cloud="nowhere", region="north", max_retries=0))
        openstack.networking.SecGroup("app", name="app", delete_default_rules=True, opts=options)

    outcome = stacks.up(SECOND, program)
    assert not outcome.good
    problem = next(problem for problem in outcome.problems if "connection refused" in str(problem))
    assert "secGroup app" in problem.where
    assert "lz lab status" in problem.cure


HOLDER = """
import sys, time
from pathlib import Path
from landing_zone.engine.home import Home
from landing_zone.engine.stack import StackKey, Stacks
from landing_zone.engine.stores.folder import Folder
import pulumi
def slow():
    pulumi.ComponentResource("lz:test:Part", "a")
    Path(sys.argv[2]).touch()
    time.sleep(60)
home = Home(Path(sys.argv[1]))
Stacks(home, Folder(home.backend)).up(StackKey("unit", "north", "identity"), slow)
"""


def test_killed_run_is_resumed(stacks: Stacks, tmp_path: Path) -> None:
    begun = tmp_path / "begun"
    killed = subprocess.Popen([sys.executable, "-c", HOLDER, str(stacks.home.root), str(begun)], start_new_session=True)
    try:
        while not begun.exists():
            assert killed.poll() is None
            time.sleep(0.1)
    finally:
        os.kill(killed.pid, signal.SIGKILL)
        killed.wait()
    said: list[str] = []
    recovery.release_lock(stacks.store, FIRST, said.append, patience=60)
    assert recovery.locks(stacks.store, FIRST) == []
    assert stacks.up(FIRST, first).good


def test_lock_that_somebody_may_hold_is_left_alone(stacks: Stacks) -> None:
    folder = stacks.home.backend / checkpoints.locks(FIRST.name)
    folder.mkdir(parents=True)
    lock = {"pid": 1, "username": "mai", "hostname": "another-machine", "timestamp": "2026-01-01T00:00:00+07:00"}
    (folder / "x.json").write_text(json.dumps(lock))
    with pytest.raises(BusyError, match="is in use"):
        recovery.release_lock(stacks.store, FIRST, print, patience=0)
    assert (folder / "x.json").exists()
    (folder / "x.json").write_text(json.dumps({**lock, "hostname": socket.gethostname()}))
    assert recovery.release_lock(stacks.store, FIRST, print, patience=0)


def test_the_engine_writes_nothing_beside_its_objects(stacks: Stacks) -> None:
    assert stacks.up(FIRST, first).good
    assert list(stacks.home.backend.rglob("*.json"))
    assert list(stacks.home.backend.rglob("*.attrs")) == []


def test_the_engine_keeps_no_log_of_its_own(stacks: Stacks) -> None:
    """It goes without where it cannot have the folder; a new version of it might refuse."""
    assert stacks.up(FIRST, first).good
    assert (Path(stacks.settings["PULUMI_HOME"]) / "logs").read_bytes() == b""


def test_state_that_a_killed_run_has_half_written_can_be_read_again(stacks: Stacks) -> None:
    assert stacks.up(FIRST, first).good
    state = stacks.home.backend / checkpoints.checkpoint(FIRST.name)
    companion, draft = state.with_name(f"{state.name}.attrs"), state.with_name(f"{state.name}.18ec5624ab029af9.tmp")
    companion.write_text("")  # as an engine left it that wrote such
    draft.write_text("{")
    stacks.store = Folder.of(stacks.home.backend)
    lock = {"pid": 1, "username": "mai", "hostname": socket.gethostname(), "timestamp": "2026-01-01T00:00:00+07:00"}
    stacks.store.write(f"{checkpoints.locks(FIRST.name)}x.json", json.dumps(lock).encode())
    recovery.release_lock(stacks.store, FIRST, print, patience=0)
    assert not companion.exists()
    assert not draft.exists()
    assert not stacks.preview(FIRST, first).changed
    assert len((stacks.export(FIRST).deployment or {})["resources"]) > 1
