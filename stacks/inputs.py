"""What a program is given beside its share of the plan, and the names that it goes by. Needs no engine."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

PROJECT = "landing-zone"


@dataclass(frozen=True)
class Endpoint:
    """Where a region's Keystone answers. `ca` is the PEM text of its certificate authority (None: one of the system's)."""

    auth_url: str
    ca: str | None


@dataclass(frozen=True)
class Inputs:
    """What a program needs beside the plan.

    `secret` gives the secret of that name, made at its first use. `user_ca` is the public key (one line) of the authority
    whose SSH certificates hosts take. `standing` are the layers of the region that have been applied; None: taken to be all
    that come earlier.
    """

    endpoint: Endpoint
    secret: Callable[[str], str]
    user_ca: str
    standing: frozenset[str] | None = None


def stack_name(environment: str, region: str, layer: str) -> str:
    """ENV.REGION.LAYER, the one name of a stack."""
    return f"{environment}.{region}.{layer}"


def principal(environment: str, region: str) -> str:
    """The name in SSH certificates that opens every host of a region; the name of a host opens that one."""
    return f"{environment}.{region}"


def password_name(region: str, user: str) -> str:
    """The name under which the secret store has the password of a machine user."""
    return f"{region}.{user}"
