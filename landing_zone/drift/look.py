"""The chosen part of an environment looked at: regions side by side, each read once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Any

from keystoneauth1.exceptions import ClientException
from openstack.connection import Connection
from openstack.exceptions import SDKException

from landing_zone.drift import live
from landing_zone.drift.compare import compare
from landing_zone.drift.estate import estate
from landing_zone.drift.facts import Difference, Fact, of_owner
from landing_zone.drift.holders import HOLDERS, accounts, strangers
from landing_zone.drift.kinds import KINDS, STACK
from landing_zone.drift.reading import read
from landing_zone.drift.wanted import Wanted
from landing_zone.engine import credentials
from landing_zone.engine.runs import Run, Selection
from landing_zone.engine.stack import StackKey
from landing_zone.planners.plan import RegionPlan
from landing_zone.planners.shares import PROBES
from landing_zone.proof.results import Result, Verdict

SHARE = "openstack:networking/rbacPolicyV2:RbacPolicyV2"


@dataclass(frozen=True)
class Sight:
    """What was found in one region. counts: how many things of a kind the model has; unread: kinds not judged, and why; stores: who
    removes what only members of a project see, by project (id)."""

    region: str
    counts: Mapping[str, int]
    differences: tuple[Difference, ...]
    unread: Mapping[str, str]
    stores: Mapping[str, Connection] = field(default_factory=dict)


def look(run: Run, chosen: Selection) -> list[Sight]:
    """Compare every region that is signed in to, and tell what stands of regions that the environment file does not have any more."""
    regions = list(run.connections)
    with ThreadPoolExecutor(max_workers=max(1, len(regions))) as pool:
        return [*pool.map(lambda region: _region(run, chosen, region), regions), *_former(run, chosen)]


def results(sights: Iterable[Sight]) -> list[Result]:
    """What was found as results of controls: one for each kind that is as it should be, one for each difference."""
    return [result for sight in sights for result in _results(sight)]


def _region(run: Run, chosen: Selection, name: str) -> Sight:
    region = run.plan.regions[name]
    whole = Selection(regions=frozenset({name}))
    planned = run.planned(whole, probes=True)
    standing = run.standing(whole)
    resources = {key: run.stacks.resources(key) for key in standing}
    layers = {key.layer for key in planned if resources.get(key)}
    ids = known_ids(resources[key] for key in planned if key in resources)
    ids |= _credentials(run, region)
    wanted = list(Wanted(region, ids, layers).facts())
    ours = {identity: logical for (_, logical), identity in ids.items()}
    dropped = {one["id"] for key in standing if key not in planned for one in resources[key] if one.get("id")}
    selected = [fact for fact in wanted if chosen.has(name, fact.layer)]
    counts = Counter({kind: 0 for kind, row in KINDS.items() if not row.service or row.service in region.demand.services})
    counts.update(fact.kind for fact in selected)
    counts[STACK] = len(run.planned(Selection(frozenset({name}), chosen.layers, chosen.tenants)))
    try:
        stored = _stored(run, region, ids)
        stores = accounts(run, region, stored)
        reading = read(run.connections[name], estate(region), region.demand.services, stores)
    except (SDKException, ClientException) as error:
        return Sight(name, counts, (), dict.fromkeys(KINDS, f"{type(error).__name__}: {error}"))
    unread = live.unread(reading)
    if lost := strangers(run, region, stored):
        why = f"only {', '.join(lost)} can look there, whose passwords are not kept on this machine (lz state restore)"
        unread |= live.unread(replace(reading, faults=dict.fromkeys(HOLDERS, why)))
    there = live.facts(reading, estate(region), ours, dropped)
    compared = compare(name, (fact for fact in wanted if fact.kind not in unread), there, ours)
    found = [*_stacks(name, planned, layers, standing), *compared]
    return Sight(name, counts, tuple(one for one in found if chosen.has(name, one.fact.layer)), unread, stores)


def _stored(run: Run, region: RegionPlan, ids: Mapping[tuple[str, str], str]) -> dict[str, str]:
    """The operator's projects that stand, by name, where somebody may have stored something; but for one that we sign in to ourselves:
    the state may lie there."""
    if not {service for service, _ in HOLDERS.values()} & set(region.demand.services):
        return {}
    kind, own = KINDS["project"].resource, run.connections[region.name].current_project_id
    grounds = estate(region).grounds
    known = {name: ids[kind, name] for name, ground in grounds.items() if ground.purpose != "workload" and (kind, name) in ids}
    return {name: identity for name, identity in known.items() if identity != own}


def _former(run: Run, chosen: Selection) -> list[Sight]:
    """Regions that the environment file does not have any more: nobody knows their cloud, so their stacks are all that is told."""
    standing = [key for key in run.standing(chosen) if key.region not in run.plan.regions]
    names = sorted({key.region for key in standing})
    return [Sight(name, {}, tuple(_stacks(name, (), set(), [key for key in standing if key.region == name])), {}) for name in names]


def known_ids(states: Iterable[Sequence[Mapping[str, Any]]]) -> dict[tuple[str, str], str]:
    """The ids that states know, by type token and name. Policies that share a network and a group of the same name are told
    apart by what they share."""
    found = {}
    for state in states:
        for one in state:
            name = str(one["urn"]).rsplit("::", 1)[-1]
            if one["type"] == SHARE:
                name = f"{one['inputs']['objectType']} {name}"
            if one.get("id"):
                found[str(one["type"]), name] = str(one["id"])
    return found


def _credentials(run: Run, region: RegionPlan) -> dict[tuple[str, str], str]:
    """The ids of application credentials, as their files know them, by what states would know them by."""
    kind = KINDS["application credential"].resource
    return {
        (kind, of_owner(one.name, tenant.identity.machine_users[0].name)): one.id
        for tenant in region.tenants.values()
        for one in credentials.kept(credentials.file_of(run.stacks.home, region.name, tenant.code)).values()
    }


def _stacks(region: str, planned: Sequence[StackKey], layers: set[str], standing: Sequence[StackKey]) -> Iterator[Difference]:
    """Layers that were never made, and stacks that the environment file no longer asks for."""
    for key in planned:
        if key.layer not in layers and key.layer != PROBES:
            yield Difference(region, "missing", Fact(STACK, key.name, key.layer))
    for key in standing:
        if key not in planned:
            yield Difference(region, "not in the model", Fact(STACK, key.name, key.layer), managed=True)


def _results(sight: Sight) -> Iterator[Result]:
    for one in sight.differences:
        seen = one.finding if not one.details else f"{one.finding}: {'; '.join(one.details)}"
        control = KINDS[one.fact.kind].control
        yield Result(control, sight.region, f"{one.fact.layer}: {one.fact.kind} {one.fact.name}", Verdict.FAIL, seen)
    differing = {one.fact.kind for one in sight.differences}
    for kind, count in sight.counts.items():
        what = f"every {kind} is as the model says, and there is no other"
        if kind in sight.unread:
            yield Result(KINDS[kind].control, sight.region, what, Verdict.UNKNOWN, sight.unread[kind])
        elif kind not in differing:
            yield Result(KINDS[kind].control, sight.region, what, Verdict.PASS, f"{count} of the model")
