"""Rules that span several keys of an environment. Each rule is a function from an environment to findings; all are always run."""

from __future__ import annotations

from collections.abc import Iterator

from landing_zone.model.complaints import Finding
from landing_zone.model.environment import Environment
from landing_zone.model.rules import addresses, flows, levels, naming, regions, tenants

ALL = tuple(rule for part in (naming, levels, regions, addresses, tenants, flows) for rule in part.RULES)


def check(environment: Environment) -> Iterator[Finding]:
    """Everything that the rules find."""
    for rule in ALL:
        yield from rule(environment)


__all__ = ["ALL", "check"]
