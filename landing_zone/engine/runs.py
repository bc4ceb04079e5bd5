"""Preview, apply, compare and remove a whole environment, or a part of it: stacks in their order, side by side where they may."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cache, partial

from keystoneauth1.exceptions import ClientException
from openstack.connection import Connection
from openstack.exceptions import SDKException

from foundation.errors import LzError, Problem, raise_all
from landing_zone.engine import fingerprint, recovery, schedule, tries
from landing_zone.engine.clouds import Cloud, keystone
from landing_zone.engine.crew import Crew, Order, hired
from landing_zone.engine.fingerprint import Ids
from landing_zone.engine.recovery import Site
from landing_zone.engine.stack import Outcome, Program, StackKey, Stacks
from landing_zone.planners.plan import EnvironmentPlan
from landing_zone.planners.shares import PROBES, TENANT, Share, share
from stacks.inputs import Endpoint, Inputs

WIDTH = 8  # stacks side by side
Source = Callable[[], Program]
INSTANCE = re.compile(r"instance \(([0-9a-f-]{36})\)")


@dataclass(frozen=True)
class Selection:
    """Which part of an environment; an empty set means all."""

    regions: frozenset[str] = frozenset()
    layers: frozenset[str] = frozenset()
    tenants: frozenset[str] = frozenset()

    def has(self, region: str, layer: str) -> bool:
        """True when the stack of that region and layer belongs to the part. A tenant is asked for by code or by layer."""
        if self.regions and region not in self.regions:
            return False
        if self.tenants and layer.removeprefix(TENANT) in self.tenants and layer.startswith(TENANT):
            return True
        if self.layers:
            return layer in self.layers
        return not self.tenants


@dataclass
class Run:
    """One environment with what is needed to work on it. `say` tells a person one line. `modules`: see `crew.hired`."""

    plan: EnvironmentPlan
    stacks: Stacks
    clouds: Mapping[str, Cloud]
    connections: Mapping[str, Connection]
    say: Callable[[str], None]
    width: int = WIDTH
    modules: tuple[str, ...] = ()
    recovered: set[StackKey] = field(default_factory=set)

    def planned(self, selection: Selection, *, probes: bool = False) -> list[StackKey]:
        """Stacks that the plan asks for, in an order in which they can be made."""
        return [
            StackKey(self.plan.code, region.name, layer)
            for region in self.plan.regions.values()
            for step in region.order
            for layer in step
            if selection.has(region.name, layer) and (probes or layer != PROBES)
        ]

    def standing(self, selection: Selection) -> list[StackKey]:
        """Stacks that there are, also those that the plan no longer asks for, in an order in which they can be made."""
        keys = [StackKey.of(name) for name in self.stacks.standing() if name.startswith(f"{self.plan.code}.")]
        return sorted(
            (key for key in keys if selection.has(key.region, key.layer)), key=lambda key: (key.region, rank(key.layer), key.layer)
        )

    def previews(self, keys: Iterable[StackKey], *, full: bool = False) -> list[Outcome]:
        """What `apply` would do, for each stack; nothing is changed but what a killed run left behind.

        A stack that cannot have changed since it was last right is skipped; `full`: none is.
        """
        wanted = list(keys)
        self.recover(wanted)
        versions = self.stacks.versions()
        ids = cache(self._ids)
        digests = {key: self.digest(key, ids) for key in wanted}
        notes = {key: fingerprint.read(self.stacks.home, key.name) for key in wanted}
        settled = {
            key: Outcome(key, "skip", {"same": note.resources}, (), False, note.resources, 0.0)
            for key, note in notes.items()
            if not full and note and (note.digest, note.state) == (digests[key], versions.get(key.name))
        }
        open_ = [key for key in wanted if key not in settled]
        stands = frozenset(versions)
        seen = {outcome.key: outcome for outcome in self._all(open_, lambda key: partial(_preview, key, self.source(key, stands)))}
        self._keep({key: digests[key] for key, outcome in seen.items() if outcome.good and not outcome.changed}, seen, versions)
        return _checked([settled.get(key) or seen[key] for key in wanted], self.connections)

    def apply(self, previews: Iterable[Outcome]) -> list[Outcome]:
        """Make the previewed changes, layer after layer, regions and tenants side by side.

        A stack without changes is not touched, unless an earlier layer of its region gave out other ids than before. When
        a stack fails, those that build on it are left out, the others are finished, and LzError has all problems.
        """
        asked = {outcome.key: outcome for outcome in previews}
        if not any(outcome.changed for outcome in asked.values()):
            return list(asked.values())
        moved: set[str] = set()
        digests: dict[StackKey, str] = {}
        with hired(self.stacks, self.modules) as crew:

            def job(key: StackKey) -> Outcome:
                preview = asked[key]
                if not preview.changed and key.region not in moved:
                    return preview
                before = self._ids(key)
                digests[key] = self.digest(key, self._ids)
                fingerprint.drop(self.stacks.home, key.name)
                self.stacks.home.unclosed(key.name).touch()
                self.stacks.home.limits(key.name).unlink(missing_ok=True)
                done = self._persist(crew, key, partial(_up, key, self.source(key, None), sum(preview.changes.values())))
                if done.good and not _still_there(before, self._ids(key)):
                    moved.add(key.region)
                return done

            needs = {key: frozenset(other for other in asked if _builds_on(key, other)) for key in asked}
            done = schedule.run(needs, job, self.width, lambda outcome: outcome.good)
        self._keep({key: known for key, known in digests.items() if key in done and done[key].good}, done, self.stacks.versions())
        return _checked((done[key] for key in asked if key in done), self.connections, left_out=[key for key in asked if key not in done])

    def compare(self, keys: Iterable[StackKey]) -> list[Outcome]:
        """What has changed in the cloud since the last `apply`; nothing is changed."""
        return _checked(self._all(list(keys), lambda key: partial(_compare, key)), self.connections)

    def refresh(self, keys: Iterable[StackKey]) -> list[Outcome]:
        """Take over into the states what is in the cloud, so that the next `previews` tell what others have changed there."""
        wanted = list(keys)
        self.recover(wanted)
        return _checked(self._all(wanted, lambda key: partial(_refresh, key)), self.connections)

    def remove(self, keys: Iterable[StackKey]) -> list[Outcome]:
        """Remove stacks, in the reverse of the order in which they were made. LzError has all problems."""
        wanted = list(keys)
        self.recover(wanted)
        if not wanted:
            return []
        for key in wanted:
            fingerprint.drop(self.stacks.home, key.name)
            self.stacks.home.unclosed(key.name).unlink(missing_ok=True)
            self.stacks.home.limits(key.name).unlink(missing_ok=True)
        needs = {key: frozenset(other for other in wanted if _builds_on(other, key)) for key in reversed(wanted)}
        with hired(self.stacks, self.modules) as crew:
            done = schedule.run(
                needs, lambda key: self._persist(crew, key, partial(_destroy, key)), self.width, lambda outcome: outcome.good
            )
        return _checked((done[key] for key in needs if key in done), self.connections, left_out=[key for key in needs if key not in done])

    def dependents(self, key: StackKey) -> frozenset[StackKey]:
        """Standing stacks that build on a stack."""
        return frozenset(other for other in self.standing(Selection()) if _builds_on(other, key))

    def _all(self, keys: list[StackKey], order: Callable[[StackKey], Order]) -> list[Outcome]:
        """Operations that do not wait for each other."""
        if not keys:
            return []
        with hired(self.stacks, self.modules) as crew:
            done = schedule.run(dict.fromkeys(keys, frozenset()), lambda key: self._persist(crew, key, order(key)), self.width)
        return [done[key] for key in keys]

    def _persist(self, crew: Crew, key: StackKey, order: Order) -> Outcome:
        """Have an order carried out, in several tries where that helps."""

        def clear() -> None:
            if key.region in self.connections:
                recovery.recover(self.stacks, key, self._site(key), self.say)

        return tries.persist(lambda: crew.do(order), clear, self.say)

    def source(self, key: StackKey, stands: frozenset[str] | None) -> Source:
        """How a worker gets the program of a stack. `stands`: names of the stacks that there are; None: all that are needed."""
        prefix = f"{key.environment}.{key.region}."
        layers = None if stands is None else frozenset(name.removeprefix(prefix) for name in stands if name.startswith(prefix))
        return partial(_program, self._share(key), replace(self._inputs(key), standing=layers))

    def digest(self, key: StackKey, ids: Callable[[StackKey], Ids]) -> str:
        """The digest of all that decides about a stack; `ids` tells what a stack gives out."""
        part = self._share(key)
        return fingerprint.of(
            part, self._inputs(key), {layer: ids(replace(key, layer=layer)) for layer in fingerprint.earlier_layers(part)}
        )

    def cloud(self, key: StackKey) -> Cloud:
        """Where the cloud of a stack's region is."""
        return self.clouds[self.plan.regions[key.region].cloud]

    def _share(self, key: StackKey) -> Share:
        return share(self.plan, key.region, key.layer)

    def _inputs(self, key: StackKey) -> Inputs:
        cloud, home = self.cloud(key), self.stacks.home
        return Inputs(Endpoint(cloud.auth_url, cloud.ca), home.secret, home.user_ca_public)

    def _ids(self, key: StackKey) -> Ids:
        """The ids that a stack gives out to later ones, by kind and name."""
        found: Ids = self.stacks.outputs(key).get("ids", {})
        return found

    def _keep(self, digests: Mapping[StackKey, str], outcomes: Mapping[StackKey, Outcome], versions: Mapping[str, str]) -> None:
        """Note what stacks are that are right, in the versions of their state."""
        for key, known in digests.items():
            if key.name in versions:
                fingerprint.keep(self.stacks.home, key.name, fingerprint.Note(known, versions[key.name], outcomes[key].resources))

    def recover(self, keys: Iterable[StackKey]) -> None:
        """Clear what a killed or failed run left behind of these stacks, and let their states say where the cloud is; once in a run.

        Every stack is seen to before an error has the problems of all; see `recovery.each`.
        """
        stands = self.stacks.standing()

        def see_to(key: StackKey) -> None:
            if key.name in stands:
                recovery.recover(self.stacks, key, self._site(key), self.say)
            else:  # killed before the stack's first state was written, or that state was put aside
                recovery.release_lock(self.stacks.store, key, self.say)
            self.recovered.add(key)

        recovery.each((key for key in keys if key not in self.recovered and key.region in self.connections), see_to)

    def _site(self, key: StackKey) -> Site:
        return Site(self.cloud(key), self.connections[key.region])


def _program(part: Share, inputs: Inputs) -> Program:
    from stacks.programs import program  # noqa: PLC0415  a second that only a worker needs to spend

    return program(part, inputs)


def _preview(key: StackKey, source: Source, stacks: Stacks) -> Outcome:
    return stacks.preview(key, source())


def _up(key: StackKey, source: Source, total: int, stacks: Stacks) -> Outcome:
    return stacks.up(key, source(), total)


def _compare(key: StackKey, stacks: Stacks) -> Outcome:
    return stacks.refresh_preview(key)


def _refresh(key: StackKey, stacks: Stacks) -> Outcome:
    return stacks.refresh(key)


def _destroy(key: StackKey, stacks: Stacks) -> Outcome:
    return stacks.destroy(key)


def rank(layer: str) -> int:
    """Where a layer stands in the order: those of the same rank are independent of each other."""
    return {"identity": 0, "network": 1, PROBES: 3}.get(layer, 2)


def _builds_on(later: StackKey, earlier: StackKey) -> bool:
    return later.region == earlier.region and rank(later.layer) > rank(earlier.layer)


def select(
    plan: EnvironmentPlan, regions: Iterable[str], layers: Iterable[str], tenants: Iterable[str], standing: Iterable[StackKey] = ()
) -> Selection:
    """The part of an environment that flags ask for. Raises InputError with every name that there is not.

    standing: stacks of which those of the environment may be asked for as well, planned or not.
    """
    chosen = Selection(frozenset(regions), frozenset(layers), frozenset(tenants))
    all_regions = plan.regions.values()
    known_layers = {layer for region in all_regions for step in region.order for layer in step} | {PROBES}
    known_layers |= {key.layer for key in standing if key.environment == plan.code}
    known_tenants = {layer.removeprefix(TENANT) for layer in known_layers if layer.startswith(TENANT)}
    raise_all(
        Problem(f"there is no {kind} {name!r} in environment {plan.code!r}", cure=f"one of: {', '.join(sorted(known))}")
        for kind, names, known in (
            ("region", chosen.regions, set(plan.regions)),
            ("layer", chosen.layers, known_layers),
            ("tenant", chosen.tenants, known_tenants),
        )
        for name in sorted(names - known)
    )
    return chosen


def agrees(domains: Iterable[str], connection: Connection) -> bool:
    """True when the cloud still has the domains (ids) that a state knows."""
    return all(keystone(connection).find_domain(domain, ignore_missing=True) is not None for domain in domains)


def _still_there(before: Ids, after: Ids) -> bool:
    """True when every id that was given out before is given out now, under the same name."""
    return all(after.get(kind, {}).get(name) == value for kind, names in before.items() for name, value in names.items())


def with_faults(problems: Iterable[Problem], connection: Connection | None) -> list[Problem]:
    """Problems of one region; where one is about an instance in ERROR, with what the cloud says of it."""
    return [replace(problem, why=_fault(problem, connection) or problem.why) for problem in problems]


def _fault(problem: Problem, connection: Connection | None) -> str:
    """What the cloud says of the instance that a problem is about; nothing when there is none, or no answer."""
    named = INSTANCE.search(problem.what)
    if named is None or connection is None:
        return ""
    try:
        server = connection.compute.find_server(named.group(1), all_projects=True)
    except (SDKException, ClientException, OSError):
        return ""
    return str((server.fault or {}).get("message", "")) if server else ""


def _checked(outcomes: Iterable[Outcome], connections: Mapping[str, Connection], left_out: Iterable[StackKey] = ()) -> list[Outcome]:
    done = list(outcomes)
    problems = [problem for outcome in done for problem in with_faults(outcome.problems, connections.get(outcome.key.region))]
    if problems:
        missed = ", ".join(key.name for key in left_out)
        raise LzError(*problems, *((Problem("not begun, because they build on what failed", where=missed),) if missed else ()))
    return done
