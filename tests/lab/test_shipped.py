"""The shipped environments, each deployed in one region of the lab: identities, networks and quotas in full, instances small."""

from __future__ import annotations

import json
import os
import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab import cloud
from lab.settings import REGIONS, Places
from landing_zone.engine.opening import ENVIRONMENTS
from tests.support import census
from tests.support.command import lz

pytestmark = [pytest.mark.lab, pytest.mark.timeout(600), pytest.mark.usefixtures("equipped")]

SHIPPED = {"lab": "north", "ministry-agc": "south", "regional-dc": "north", "national-cgc": "south"}
"""Where each is deployed, the smallest first. `make up` has the first in both."""
SEED = int(os.environ.get("LZ_TEST_SEED", "20261128"))


@pytest.fixture(scope="module")
def nothing_stands() -> None:
    done = lz("down", "--env", "lab", "--yes")
    assert done.returncode == 0, done.stderr


@pytest.fixture(autouse=True)
def same_files() -> Iterator[None]:
    """The environments' own files are afterwards what they were: a rehearsal gives out nothing new."""
    files = contents()
    yield
    assert contents() == files


def contents() -> dict[Path, bytes]:
    return {file: file.read_bytes() for file in ENVIRONMENTS.rglob("*") if file.is_file()}


def deployed(name: str, where: Places, *part: str) -> None:
    """Up, as the file says by the eyes of `lz drift`, a second up empty, in full also proven by packets; down, nothing left."""
    admin = cloud.connect(REGIONS[SHIPPED[name]], where)
    before = census.take(admin)
    whole = ("--env", f"{name}@lab", "--region", SHIPPED[name])
    words = (*whole, *part)
    try:
        up = lz("up", *words, "--yes", timeout=6000)
        assert up.returncode == 0, up.stderr[-3000:]
        drift = lz("drift", *words, "--json")
        assert (drift.returncode, json.loads(drift.stdout)["differences"]) == (0, [])
        plan = lz("plan", *words, "--full", "--json")
        assert {change for stack in json.loads(plan.stdout) for change in stack["changes"]} == {"same"}
        if not part:
            proof = lz("verify", *words, "--json", timeout=1800)
            assert (proof.returncode, [one for one in json.loads(proof.stdout) if one["result"] != "pass"]) == (0, []), proof.stderr[-3000:]
    finally:
        down = lz("down", *whole, "--yes", timeout=6000)
    assert down.returncode == 0, down.stderr[-3000:]
    assert census.differences(before, census.take(admin)) == []


def test_there_are_four() -> None:
    assert {file.stem for file in ENVIRONMENTS.glob("*.yaml") if not file.stem.endswith(".ledger")} == set(SHIPPED)


@pytest.mark.long
@pytest.mark.timeout(7200)
@pytest.mark.parametrize("name", SHIPPED)
def test_a_shipped_environment_in_full(name: str, nothing_stands: None, where: Places) -> None:
    deployed(name, where)


def test_the_identities_of_one_of_them(where: Places) -> None:
    """Of one that the seed chooses, beside whatever stands: what takes half a minute."""
    deployed(random.Random(SEED).choice([*SHIPPED][1:]), where, "--layer", "identity")
