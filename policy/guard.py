"""Runs the rules on every resource of a program, by a resource transform: at preview as at apply, with `lz` as without."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import pulumi
from pulumi.runtime.stack import wait_for_rpcs

from foundation.errors import LzError, Problem, raise_all
from policy.rules import SECRET, UNKNOWN, Facts, Violation, check


class Watch:
    """Guards every resource that the running program makes after `begin`.

    In a preview all violations are collected, and `verdict` stops the run with all of them. At apply a resource that
    breaks a rule is not made: its registration fails, which stops the run.
    """

    def __init__(self, facts: Facts) -> None:
        self._facts = facts
        self._found: list[Violation] = []

    def begin(self) -> None:
        """Hang the rules into the running program."""
        pulumi.runtime.register_resource_transform(self._transform)

    async def verdict(self) -> None:
        """Wait until every resource has been looked at; raises LzError with every violation."""
        await wait_for_rpcs(await_all_outstanding_tasks=False)
        stop(self._found)

    async def _transform(self, args: pulumi.ResourceTransformArgs) -> pulumi.ResourceTransformResult | None:
        properties = {key: await seen(value) for key, value in args.props.items()}
        found = check(args.type_, args.name, {**properties, "protect": bool(args.opts.protect)}, self._facts)
        if pulumi.runtime.is_dry_run():
            self._found += found
        else:
            stop(found)
        return None


def stop(violations: Iterable[Violation]) -> None:
    """Raise LzError when there is any violation."""
    raise_all((Problem(f"{each.control}: {each.rule}", where=each.resource, cure=each.cure) for each in violations), LzError)


async def seen(value: Any) -> Any:
    """A property as the rules see it: plain, or UNKNOWN, or SECRET."""
    if isinstance(value, pulumi.Output):
        if await value.is_secret():
            return SECRET
        if not await value.is_known():
            return UNKNOWN
        return await seen(await value.future())
    if isinstance(value, Mapping):
        return {key: await seen(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [await seen(each) for each in value]
    return UNKNOWN if isinstance(value, pulumi.output.Unknown) else value
