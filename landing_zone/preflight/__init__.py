"""What must be right before the first create: every problem at once, each with its cure.

demand   what a region must yet make, from plan and states (pure)
facts    what is read of a region, as plain data
reading  the readers
checks   the judgements: need and facts in, problems out (pure)
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import requests
from keystoneauth1.exceptions import ClientException
from openstack.exceptions import SDKException

from foundation.errors import InputError, LzError, Problem
from landing_zone.engine.opening import Asked, Refused, open_run
from landing_zone.engine.runs import Run, Selection
from landing_zone.preflight import checks, reading
from landing_zone.preflight.demand import Need, need
from landing_zone.preflight.reading import Place
from landing_zone.proof.results import Verdict


@dataclass(frozen=True)
class Check:
    """One subject: how it is read, and how what was read is judged."""

    title: str
    read: Callable[[Place], Any]
    judge: Callable[[Need, Any], Iterable[Problem]]


@dataclass(frozen=True)
class Finding:
    """How one check came out in one region. Problems are there unless it passed."""

    region: str
    check: str
    verdict: Verdict
    problems: tuple[Problem, ...] = ()


CHECKS = (
    Check("services", reading.services, checks.services),
    Check("microversions", reading.microversions, checks.microversions),
    Check("workers", reading.workers, checks.workers),
    Check("availability zones", reading.zones, checks.zones),
    Check("external network", reading.outer_networks, checks.outer_network),
    Check("flavors and images", reading.content, checks.content),
    Check("roles", reading.roles, checks.roles),
    Check("limits", reading.limits, checks.limits),
    Check("clock", reading.clock, checks.clock),
    Check("TLS", reading.certificates, checks.certificates),
    Check("names", reading.taken, checks.collisions),
    Check("addresses", lambda _: None, checks.addresses),
    Check("quotas", reading.quotas, checks.quotas),
    Check("capacity", reading.rooms, checks.capacity),
)


def examine(run: Run, chosen: Selection) -> list[Finding]:
    """Every check in every signed-in region, side by side, for what is yet to be made of the chosen part."""
    places = [_place(run, region, chosen) for region in run.connections]
    with ThreadPoolExecutor(max(1, len(places)) * reading.AT_ONCE) as pool:
        return list(pool.map(lambda one: _checked(*one), [(place, check) for place in places for check in CHECKS]))


def problems(found: Sequence[Finding]) -> list[Problem]:
    """All problems of all findings."""
    return [problem for finding in found for problem in finding.problems]


def beside(refused: Refused, asked: Asked) -> InputError:
    """What keeps some regions from being worked on, together with all that is found in those that can be asked."""
    if not refused.others:
        return refused
    try:
        run, chosen = open_run(replace(asked, regions=refused.others), lambda _: None)
    except LzError as again:
        return InputError(*refused.problems, *again.problems)
    return InputError(*refused.problems, *problems(examine(run, chosen)))


def _place(run: Run, name: str, chosen: Selection) -> Place:
    region = run.plan.regions[name]
    states = {key.layer: run.stacks.resources(key) for key in run.standing(Selection(regions=frozenset({name})))}
    return Place(need(region, states, partial(chosen.has, name)), run.clouds[region.cloud], run.connections[name])


def _checked(place: Place, check: Check) -> Finding:
    region = place.need.region.name
    try:
        found = tuple(check.judge(place.need, check.read(place)))
    except (SDKException, ClientException, requests.RequestException, OSError) as error:
        problem = Problem(
            f"region {region}: {check.title} could not be checked",
            why=f"{type(error).__name__}: {error}",
            cure="is the service healthy, and may this account ask it? For the lab: lz lab doctor",
        )
        return Finding(region, check.title, Verdict.UNKNOWN, (problem,))
    return Finding(region, check.title, Verdict.FAIL if found else Verdict.PASS, found)
