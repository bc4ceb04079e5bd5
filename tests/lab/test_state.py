"""The state on the live lab: a known secret is nowhere in clear, a copy in the other region brings all of it back, and what a
killed run leaves is explained and repaired. Nothing but identities and networks of one region is made."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import shutil
import signal
import subprocess
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from openstack.exceptions import ConflictException

from foundation import files
from lab import cloud
from lab.settings import Places, Region
from landing_zone.engine import recovery
from landing_zone.engine.clouds import connect
from landing_zone.engine.copies import PASSPHRASE, PRIVATE
from landing_zone.engine.home import Home
from landing_zone.engine.opening import Asked, open_offline, open_run
from landing_zone.engine.stack import StackKey, Stacks
from stacks.inputs import password_name
from tests.support.command import LZ, lz
from tests.support.processes import Watcher

pytestmark = [pytest.mark.lab, pytest.mark.timeout(600)]

HERE = ("--env", "lab", "--region", "north")
ROBOT = "lab-platform-automation"
IDENTITY = StackKey("lab", "north", "identity")
NETWORK = StackKey("lab", "north", "network")


@dataclass(frozen=True)
class Made:
    """Identities that were made while the process list was watched: the canary among the secrets, and all that was seen and said."""

    home: Home
    canary: str
    watcher: Watcher
    said: str


@pytest.fixture(scope="module")
def made(equipped: Places) -> Iterator[Made]:
    """The platform's machine account gets a password that can be recognised; the one that it had comes back in the end."""
    assert lz("down", *HERE, "--yes").returncode == 0
    home = Home.of("lab")
    own = home.root / "secrets" / password_name("north", ROBOT)
    before = home.secret(own.name)
    canary = f"canary-{uuid.uuid4().hex}"
    own.unlink()
    files.make(own, canary)
    try:
        with Watcher([canary, home.passphrase.read_text()]) as watcher:
            done = lz("up", *HERE, "--layer", "identity", "--yes")
        assert done.returncode == 0, done.stderr
        yield Made(home, canary, watcher, done.stdout + done.stderr)
        assert lz("down", *HERE, "--yes").returncode == 0
    finally:
        own.unlink(missing_ok=True)
        files.make(own, before)


def test_the_canary_is_a_real_secret(made: Made) -> None:
    run = open_run(Asked("lab", ("north",)), print)[0]
    account = connect(
        run.clouds["lab-north"],
        "north",
        username=ROBOT,
        password=made.canary,
        user_domain_name="lab-platform",
        project_name="lab-platform-management",
        project_domain_name="lab-platform",
    )
    assert account.current_project.name == "lab-platform-management"


def test_the_canary_is_in_no_state_log_message_or_process_list(made: Made) -> None:
    assert made.watcher.seen("pulumi"), "nothing was watched"
    assert made.watcher.found == []
    hidden = [text.encode() for text in (made.canary, base64.b64encode(made.canary.encode()).decode().rstrip("="))]
    assert made.canary not in made.said
    looked_at = 0
    for path in made.home.root.rglob("*"):
        if path.is_file() and path.parent.name != "secrets":
            content = path.read_bytes()
            looked_at += bool(content)
            assert not [text for text in hidden if text in content], path
    assert looked_at > 5


def test_a_copy_in_the_other_region_brings_everything_back(made: Made, where: Places, regions: tuple[Region, ...], tmp_path: Path) -> None:
    """As after the loss of the machine: nothing is here but the passphrase, which was kept elsewhere."""
    copied = lz("state", "backup", *HERE, "--json")
    assert copied.returncode == 0, copied.stderr
    [copy] = json.loads(copied.stdout)
    assert (copy["in"], copy["stacks"]) == ("south", [IDENTITY.name])
    south = cloud.connect(next(region for region in regions if region.name == "south"), where)
    passphrase = made.home.passphrase.read_text()
    objects = [entry.name for entry in south.object_store.objects("lab-state-north") if entry.name.startswith(copy["stamp"])]
    assert len(objects) > 2
    for name in objects:
        content = bytes(south.object_store.download_object(name, container="lab-state-north"))
        assert made.canary.encode() not in content, name
        assert passphrase.encode() not in content, name
    kept = tmp_path / "passphrase"
    files.make(kept, passphrase)
    away = made.home.root.with_name("lab.away")
    made.home.root.rename(away)
    try:
        back = lz(
            "state", "restore", "--env", "lab", "--from", "south", "--region", "north", f"--passphrase-file={kept}", "--yes", "--json"
        )
        assert back.returncode == 0, back.stderr
        assert json.loads(back.stdout)["put_back"] == [IDENTITY.name]
        for name in (PASSPHRASE, *(str(path.relative_to(away)) for folder in PRIVATE for path in (away / folder).iterdir())):
            assert (made.home.root / name).read_bytes() == (away / name).read_bytes(), name
        seen = json.loads(lz("plan", *HERE, "--layer", "identity", "--full", "--json").stdout)
        assert [set(stack["changes"]) for stack in seen] == [{"same"}]
    finally:
        shutil.rmtree(made.home.root, ignore_errors=True)
        away.rename(made.home.root)
        for name in objects:
            south.object_store.delete_object(name, container="lab-state-north")
        with contextlib.suppress(ConflictException):  # somebody else's copies are in it
            south.object_store.delete_container("lab-state-north")


def test_doctor_explains_and_repairs_what_a_killed_up_left(made: Made) -> None:
    stacks = open_offline(Asked("lab", ("north",)))[2]
    kill_in_the_middle(stacks)
    told = lz("state", "doctor", "--env", "lab", "--json")
    assert told.returncode == 1, told.stderr
    found = json.loads(told.stdout)["found"]
    assert {one["stack"] for one in found} == {NETWORK.name}
    assert {one["kind"] for one in found} >= {"lock", "pending operation"}
    assert all(one["ours"] for one in found), found
    pending = [one for one in found if one["kind"] == "pending operation"]
    assert all("was under way when a run ended" in one["what"] for one in pending)
    repaired = lz("state", "doctor", "--env", "lab", "--fix", "--json")
    assert repaired.returncode == 0, repaired.stdout + repaired.stderr
    assert json.loads(repaired.stdout)["left"] == []
    again = lz("up", *HERE, "--layer", "network", "--yes")
    assert again.returncode == 0, again.stderr
    assert "half-made" not in again.stderr, "the doctor left something for the next run"
    drift = lz("drift", *HERE, "--layer", "identity", "--layer", "network", "--json")
    assert (drift.returncode, json.loads(drift.stdout)["differences"]) == (0, [])


def kill_in_the_middle(stacks: Stacks) -> None:
    """Kill an `up` with its engine when things are noted as being made."""
    process = subprocess.Popen(
        [LZ, "up", *HERE, "--layer", "network", "--yes"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    )
    while process.poll() is None and not recovery.notes(stacks.latest(NETWORK)):
        time.sleep(0.05)
    assert process.poll() is None, "up was over before it could be killed"
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert recovery.notes(stacks.latest(NETWORK))
