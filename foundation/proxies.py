"""Calls that go past a proxy which the machine may use for the outside."""

from __future__ import annotations

import os

VARIABLES = ("NO_PROXY", "no_proxy")


def past(network: str) -> dict[str, str]:
    """Variables with which addresses of `network` (CIDR) are called directly, and whatever else is so already.

    Both say the same: a program reads one of them, and where that is set does not look at the other.
    """
    known = [part.strip() for name in VARIABLES for part in os.environ.get(name, "").split(",")]
    every = ",".join(dict.fromkeys([*(part for part in known if part), network]))
    return dict.fromkeys(VARIABLES, every)
