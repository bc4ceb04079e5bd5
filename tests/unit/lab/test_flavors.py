"""Flavors follow scs-0100 and scs-0103."""

from __future__ import annotations

import pytest

from lab.cloud import FLAVORS, flavor

# scs-0103-v1, table of mandatory flavors.
MANDATORY = (
    "SCS-1V-4", "SCS-2V-8", "SCS-4V-16", "SCS-8V-32", "SCS-1V-2", "SCS-2V-4", "SCS-4V-8", "SCS-8V-16", "SCS-16V-32",
    "SCS-1V-8", "SCS-2V-16", "SCS-4V-32", "SCS-1L-1", "SCS-2V-4-20s", "SCS-4V-16-100s",
)  # fmt: skip


def test_every_mandatory_flavor_is_there() -> None:
    assert set(MANDATORY) <= set(FLAVORS)


def test_names_are_read_right() -> None:
    small = flavor("SCS-1L-1-5")
    assert (small.cpus, small.ram, small.disk) == (1, 1024, 5)
    assert small.specs == {
        "scs:name-v1": "SCS-1L:1:5",
        "scs:name-v2": "SCS-1L-1-5",
        "scs:cpu-type": "crowded-core",
        "scs:disk0-type": "network",
    }
    fast = flavor("SCS-4V-16-100s")
    assert (fast.cpus, fast.ram, fast.disk) == (4, 16384, 100)
    assert fast.specs["scs:disk0-type"] == "ssd"
    assert fast.specs["scs:cpu-type"] == "shared-core"
    assert "scs:disk0-type" not in flavor("SCS-1V-4").specs


@pytest.mark.parametrize("name", ["m1.tiny", "SCS-1X-4", "SCS-1V-4-", "SCS-1V-4-10z", "SCS-V-4"])
def test_other_names_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match="not an SCS flavor name"):
        flavor(name)
