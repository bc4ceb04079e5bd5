"""From the name of an environment to a run that may begin: file, plan, state and clouds fit together, or every problem is told."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from keystoneauth1.exceptions import ClientException
from openstack.connection import Connection
from openstack.exceptions import SDKException

from foundation.errors import InputError, Problem, raise_all
from foundation.places import CHECKOUT
from landing_zone import model
from landing_zone.engine import access_key, clouds, stores
from landing_zone.engine.clouds import Cloud
from landing_zone.engine.events import Listener
from landing_zone.engine.home import Home
from landing_zone.engine.runs import WIDTH, Run, Selection, agrees, select
from landing_zone.engine.stack import PARALLEL, StackKey, Stacks, forget_variables
from landing_zone.engine.stores.s3 import Bucket
from landing_zone.model.environment import Environment
from landing_zone.model.rehearsal import on_lab
from landing_zone.planners import plan
from landing_zone.planners.build import checked_ledger
from landing_zone.planners.ledgerfile import load_ledger
from landing_zone.planners.plan import EnvironmentPlan
from landing_zone.planners.shares import Share, share
from stacks.inputs import Endpoint, Inputs

ENVIRONMENTS = CHECKOUT / "environments"
REHEARSED = "@lab"
"""Stands behind the name of an environment that is to be rehearsed on the lab."""


class Refused(InputError):
    """Some regions cannot be worked on. Those of `others` (names) could be, with nothing to be made or put aside beforehand."""

    def __init__(self, problems: Iterable[Problem], others: Iterable[str]) -> None:
        super().__init__(*problems)
        self.others = tuple(others)


@dataclass(frozen=True)
class Asked:
    """What the flags of a command ask for. `standing`: also layers and tenants that the file no longer has, whose stacks stand."""

    environment: str
    regions: tuple[str, ...] = ()
    layers: tuple[str, ...] = ()
    tenants: tuple[str, ...] = ()
    parallel: int = PARALLEL
    width: int = WIDTH
    standing: bool = False


def environment_file(reference: str) -> Path:
    """The file of an environment: a path to one, or the name of one in environments/. InputError when there is none."""
    reference = reference.removesuffix(REHEARSED)
    path = Path(reference)
    if path.suffix in (".yaml", ".yml"):
        if path.is_file():
            return path
        raise InputError(Problem("there is no such environment file", where=str(path), cure="correct the path"))
    named = ENVIRONMENTS / f"{reference}.yaml"
    if named.is_file():
        return named
    known = sorted(file.stem for file in ENVIRONMENTS.glob("*.yaml") if not file.stem.endswith(".ledger"))
    raise InputError(
        Problem(f"there is no environment {reference!r}", where=str(ENVIRONMENTS), cure=f"one of: {', '.join(known)}; or: lz init")
    )


def anywhere(reference: str) -> str:
    """The reference as it is good in every folder: programs of stacks, and whoever pastes what is printed, stand in others."""
    named = Path(reference.removesuffix(REHEARSED))
    return str(Path(reference).absolute()) if named.suffix in (".yaml", ".yml") else reference


def load_plan(reference: str) -> EnvironmentPlan:
    """The plan of an environment, with the ledger beside its file taken into account. InputError with every problem."""
    path = environment_file(reference)
    written, ledger = model.load(path), load_ledger(path)
    environment = written
    if reference.endswith(REHEARSED):
        environment = on_lab(written)
        ledger = replace(checked_ledger(written, ledger), layout={})  # the lab's regions have names of their own
    try:
        rehearsal = _clouds(environment) != _clouds(written)  # one of the lab is at home there
        return replace(plan(environment, ledger), rehearsal=rehearsal, called=reference)
    except ValueError as error:
        raise InputError(
            Problem(
                "the address ledger does not fit the environment", where=str(path), why=str(error), cure="see docs/how-to/when-up-fails.md"
            )
        ) from None


def _clouds(environment: Environment) -> list[str]:
    return [region.cloud for region in environment.regions]


def open_offline(asked: Asked) -> tuple[EnvironmentPlan, Selection, Stacks]:
    """Plan, chosen part and stacks; no cloud is asked."""
    planned = load_plan(asked.environment)
    stacks = replace(stacks_of(planned), parallel=asked.parallel)
    standing = map(StackKey.of, stacks.standing()) if asked.standing else ()
    return planned, select(planned, asked.regions, asked.layers, asked.tenants, standing), stacks


def stacks_of(planned: EnvironmentPlan) -> Stacks:
    """The stacks of an environment, in the store that its file asks for."""
    home = Home.of(planned.home)
    return Stacks(home, stores.of(planned.state, home), called=planned.called)


def of_stack(name: str) -> tuple[Share, Inputs]:
    """What the program of the stack of that name, ENV.REGION.LAYER, is given, for running it without `lz`.

    The environment file is the one that LZ_ENV names, or ENV in environments/. InputError when the name fits none.
    """
    key = StackKey.of(name)
    planned = load_plan(os.environ.get("LZ_ENV", key.environment))
    if planned.code != key.environment or not key.layer:
        raise InputError(
            Problem(
                f"{name!r} is no stack of environment {planned.code!r}",
                cure=f"stacks are named {planned.code}.REGION.LAYER, such as {planned.code}.{next(iter(planned.regions))}.identity",
            )
        )
    found = share(planned, key.region, key.layer)
    entry = clouds.use([found.region.cloud])[found.region.cloud]
    home = Home.of(planned.home)
    return found, Inputs(Endpoint(entry.auth_url, entry.ca), home.secret, home.user_ca_public)


def open_run(asked: Asked, say: Callable[[str], None], listener: Listener | None = None) -> tuple[Run, Selection]:
    """A run on the chosen regions, each signed in to, with a state that fits its cloud. Refused with every problem of every region."""
    planned, chosen, stacks = open_offline(asked)
    stacks.listener = listener
    reached = reach(planned, chosen.regions or planned.regions)
    if isinstance(stacks.store, Bucket):
        if reached.refusals:
            # without its key no state can be read, and none is made before all regions are signed in to
            raise Refused(reached.refusals, reached.connections if stacks.store.credentials_file.exists() else ())
        connections = reached.connections
        access_key.ensure(stacks.store, {name: reached.clouds[planned.regions[name].cloud] for name in connections}, connections)
    run = Run(planned, stacks, reached.clouds, reached.connections, say, asked.width)
    check_state(run, reached.refusals)
    return run, chosen


@contextmanager
def open_alone(asked: Asked, say: Callable[[str], None], listener: Listener | None = None) -> Iterator[tuple[Run, Selection]]:
    """A run for a command that may change something: no other one works on the environment until its end, or BusyError.

    The environment is read once for the name of its lock, and again when it is held: who held it may have written the ledger.
    """
    with Home.of(load_plan(asked.environment).home).alone():
        yield open_run(asked, say, listener)


@dataclass(frozen=True)
class Reached:
    """Entries of clouds.yaml by name, connections by region, and by region what keeps the others from being asked."""

    clouds: Mapping[str, Cloud]
    connections: Mapping[str, Connection]
    problems: Mapping[str, Problem]

    @property
    def refusals(self) -> tuple[Problem, ...]:
        """The problems, each once: regions may share an entry."""
        return tuple(dict.fromkeys(self.problems.values()))


def reach(planned: EnvironmentPlan, regions: Collection[str], *, once: bool = False) -> Reached:
    """Sign in to some regions, in whichever that is possible. once: see `clouds.try_each`."""
    forget_variables()
    wanted = {region.name: region.cloud for region in planned.regions.values() if region.name in regions}
    entries = clouds.find(wanted.values())
    good = {name: entry for name, entry in entries.items() if isinstance(entry, Cloud)}
    called = {region: planned.regions[region].cloud_region for region in wanted}
    answers = clouds.try_each(((region, good[cloud]) for region, cloud in wanted.items() if cloud in good), called, once=once)
    found = {region: answers[region] if cloud in good else entries[cloud] for region, cloud in wanted.items()}
    return Reached(
        good,
        {region: one for region, one in found.items() if isinstance(one, Connection)},
        {region: one for region, one in found.items() if isinstance(one, Problem)},
    )


def sign_in(planned: EnvironmentPlan, regions: Collection[str]) -> Mapping[str, Connection]:
    """Connections to some regions, by region. InputError with every one in which that is not possible."""
    reached = reach(planned, regions)
    raise_all(reached.refusals)
    return reached.connections


def check_state(run: Run, refusals: Iterable[Problem]) -> None:
    """Make sure that the state of each region is about the cloud that answers now.

    A lab is made anew often: there, a state of an earlier lab is put aside. Anywhere else that is a problem. Refused with
    those of every region, after `refusals`, which are known already; then nothing is put aside.
    """
    problems, remade, good = list(refusals), [], []
    for name, connection in run.connections.items():
        region = run.plan.regions[name]
        where = f"region {name}, cloud {region.cloud}; state {run.stacks.home.root}"
        domains = run.stacks.domains(StackKey(run.plan.code, name, "identity"))
        try:
            if agrees(domains.values(), connection):
                good.append(name)
                continue
        except (SDKException, ClientException) as error:
            cure = "look at its health (the lab: lz lab doctor), then run the same command again"
            problems.append(Problem("the cloud does not say which domains it has", where, f"{type(error).__name__}: {error}", cure))
            continue
        if run.plan.stage == "lab":
            remade.append(name)
            continue
        problems.append(
            Problem(
                "the state is about another cloud than the one that answers",
                where=where,
                why=f"it knows the domain {', '.join(domains)}, which is not there",
                cure="correct the region's `cloud`; if the cloud was lost, restore it first (docs/operations.md)",
            )
        )
    if problems:
        raise Refused(problems, good)
    for name in remade:
        for key in run.standing(Selection(regions=frozenset({name}))):
            run.stacks.forget(key)
        run.say(f"region {name}: the lab was made anew since the last run; the old state was put aside")
