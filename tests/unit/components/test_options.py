"""What all components do alike."""

from __future__ import annotations

import pulumi
from pulumi_openstack import networking

from components.options import once
from tests.support.pulumi_recorder import run


def test_an_id_waits_for_others() -> None:
    seen: list[tuple[set[pulumi.Resource], str]] = []
    made: set[pulumi.Resource] = set()

    async def program() -> None:
        router, leg, rest = (networking.Network(name, name=name) for name in ("router", "leg", "rest"))
        made.update((router, leg, rest))
        output = once(router.id, (one.id for one in (leg, rest)))
        seen.append((await output.resources(), await output.future() or ""))

    run(program)
    assert seen == [(made, "id-of-router")]
