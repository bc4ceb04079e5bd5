"""Test nodes need root, and a Debian mirror the first time."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from foundation.errors import LzError
from foundation.progress import Progress
from lab.machine import CGROUP_ROOTS
from tests.nodes.hardened import Hardened, life
from tests.nodes.node import Node, down, find, up
from tests.nodes.scan import Score


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
def hardened(request: pytest.FixtureRequest) -> Iterator[Hardened]:
    """The node that all runs have seen; tests leave it as they found it, but for its profile."""
    yield from life(scored=any("scores" in getattr(item, "fixturenames", ()) for item in request.session.items))


@pytest.fixture(scope="session")
def scores(hardened: Hardened) -> list[Score]:
    """What the scanner says of the node, once it has come to its end beside other tests."""
    assert hardened.scores
    return hardened.scores.result()


def traces(one: Node) -> list[str]:
    """What is left of a node on this machine."""
    places = [one.home, Path("/run/netns") / one.netns, *(root / one.name for root in CGROUP_ROOTS)]
    mounts = [line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines() if str(one.home) in line]
    return [str(place) for place in places if place.exists()] + mounts
