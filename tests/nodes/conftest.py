"""Test nodes need root, and a Debian mirror the first time."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest

from foundation.errors import LzError
from foundation.progress import Progress
from lab.machine import CGROUP_ROOTS
from tests.nodes.lives import Lived, live
from tests.nodes.node import Node, down, find, up

LANES = 2  # of lives side by side: a life keeps one core busy


@pytest.fixture(scope="session", autouse=True)
def as_root() -> None:
    if os.geteuid() != 0:
        raise LzError("test nodes are containers: run as root")


@pytest.fixture(scope="module")
def fresh() -> Iterator[Node]:
    """A node that no role has seen, and nothing of it afterwards."""
    one = up(find("fresh", Progress()))
    try:
        yield one
    finally:
        down(one)
        assert traces(one) == []


@pytest.fixture(scope="session")
def lives(request: pytest.FixtureRequest) -> Iterator[Mapping[str, Future[Lived]]]:
    """The life of every profile that a selected test is about, two at a time. `base` comes first: it is the longest."""
    specified = [getattr(item, "callspec", None) for item in request.session.items]
    asked = {each.params["profile"] for each in specified if each and "profile" in each.params}
    with ThreadPoolExecutor(LANES) as lanes:
        yield {profile: lanes.submit(live, profile) for profile in sorted(asked)}


def traces(one: Node) -> list[str]:
    """What is left of a node on this machine."""
    places = [one.home, Path("/run/netns") / one.netns, *(root / one.name for root in CGROUP_ROOTS)]
    mounts = [line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines() if str(one.home) in line]
    return [str(place) for place in places if place.exists()] + mounts
