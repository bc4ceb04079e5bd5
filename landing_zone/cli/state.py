"""`lz state`: copies of the state in the other region, the way back, and what is wrong with it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer
from keystoneauth1.exceptions import ClientException
from openstack.exceptions import SDKException

from foundation.errors import InputError, LzError, Problem, raise_all
from foundation.progress import Progress
from landing_zone.cli import flags, output
from landing_zone.cli.changes import agree
from landing_zone.engine import copies
from landing_zone.engine.copies import Copy, Shelf
from landing_zone.engine.doctor import Doctor, Finding
from landing_zone.engine.home import Home
from landing_zone.engine.opening import open_offline, reach
from landing_zone.engine.recovery import Site
from landing_zone.engine.runs import select
from landing_zone.engine.stack import Stacks
from landing_zone.planners.plan import EnvironmentPlan

app = typer.Typer(
    name="state",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    help="The engine's state: copy it, put it back, repair it.",
)


@app.command()
def backup(
    env: flags.Env = flags.DEFAULT_ENV,
    region: flags.Regions = None,
    list_: Annotated[bool, typer.Option("--list", help="Only show the copies that there are.")] = False,
    keep: Annotated[int, typer.Option("--keep", min=1, help="Copies of a region that stay; older ones are removed.")] = copies.KEEP,
    json_: flags.Json = False,
) -> None:
    """Copy the state of each region into a private container of the other region's object store.

    Secrets in it are encrypted with the environment's passphrase, which is not copied: keep it elsewhere. A region without state
    is left out. What keeps one region from being copied keeps no other: it is told at the end, with exit code 1.

    Examples:

    \b
        lz state backup --env lab
        lz state backup --env lab --region north --keep 90
        lz state backup --env lab --list --json
    """
    planned, chosen, stacks = open_offline(flags.asked(env, region))
    with Home.of(planned.home).alone():
        asked = [name for name in planned.regions if name in (chosen.regions or planned.regions)]
        found, problems = _each(planned, asked, Shelf.copies) if list_ else _made(planned, stacks, asked, keep)
    if problems and not found:
        raise LzError(*problems)
    _tell(found, json_)
    if json_ and problems:  # the document is one
        for problem in problems:
            output.warn(problem)
        raise typer.Exit(1)
    if not json_ and not list_:
        output.out.print(f"\nThe passphrase is not in them: keep {stacks.home.passphrase} elsewhere.", markup=False)
    raise_all(problems, LzError)


@app.command()
def restore(
    from_: Annotated[str, typer.Option("--from", help="Region in whose object store the copies lie.")],
    env: flags.Env = flags.DEFAULT_ENV,
    region: flags.Regions = None,
    stamp: Annotated[str | None, typer.Option("--stamp", help="Time of the copy; default: the latest.")] = None,
    passphrase_file: Annotated[Path | None, typer.Option("--passphrase-file", help="The passphrase that was kept elsewhere.")] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace state and secrets that are here and differ.")] = False,
    yes: flags.Yes = False,
    json_: flags.Json = False,
) -> None:
    """Put a copied state back, with the secrets that belong to it. What is here and differs is refused without --overwrite.

    Examples:

    \b
        lz state restore --env lab --from south --passphrase-file /media/safe/passphrase
        lz state restore --env lab --from south --region north --stamp 20261125T220000Z --overwrite --yes
    """
    planned, chosen, stacks = open_offline(flags.asked(env, region))
    select(planned, [from_], (), ())  # for its error when there is no such region
    regions = _copied_to(planned, from_, chosen.regions)
    with Home.of(planned.home).alone():
        shelves, problems = _shelves(planned, regions)
        raise_all(problems)
        taken = [(shelf, copies.chosen(shelf.copies(), stamp, f"region {shelf.place}, {shelf.container}")) for shelf in shelves]
        passphrase = stacks.home.root / copies.PASSPHRASE
        contents = [shelf.get(copy) for shelf, copy in taken]
        opened = [(objects, copies.unsealed(objects, passphrase_file or passphrase)) for objects in contents]
        if not overwrite:
            raise_all(problem for objects, files in opened for problem in copies.conflicts(stacks, objects, files))
        if not json_:
            _tell([copy for _, copy in taken], json_)
        agree("Put this state back?", yes=yes)
        done = [name for objects, files in opened for name in copies.put_back(stacks, objects, files, Progress().say)]
    if json_:
        output.document({"copies": [_copy(copy) for _, copy in taken], "put_back": done})
        return
    output.out.print(f"Put back: {', '.join(done) or 'nothing had changed'}.", markup=False)
    output.next_steps([f"lz plan --env {env}"])


@app.command()
def doctor(
    env: flags.Env = flags.DEFAULT_ENV,
    region: flags.Regions = None,
    layer: flags.Layers = None,
    tenant: flags.Tenants = None,
    fix: Annotated[bool, typer.Option("--fix", help="Repair what is found.")] = False,
    break_locks: Annotated[bool, typer.Option("--break-locks", help="Also remove locks of other machines.")] = False,
    json_: flags.Json = False,
) -> None:
    """Say what is wrong with the state and what would be done about it; with --fix, do it. Exit code 1 when anything is left.

    Looks at locks and who holds them, operations that were under way when a run ended (and whether their resource lives in the
    cloud), damaged states, and stacks of no known region or layer.

    Examples:

    \b
        lz state doctor --env lab
        lz state doctor --env lab --json
        lz state doctor --env lab --region north --layer network --fix
        lz state doctor --env lab --fix --break-locks
    """
    progress = Progress()
    planned, chosen, stacks = open_offline(flags.asked(env, region, layer, tenant))
    with Home.of(planned.home).alone():
        doctor_ = Doctor(planned, stacks, _sites(planned, chosen.regions, progress), break_locks, chosen)
        found = doctor_.examine()
        if fix:
            doctor_.repair(found, progress.say)
        left = doctor_.examine() if fix else found
    if json_:
        output.document({"found": [_finding(one) for one in found], "left": [_finding(one) for one in left]})
    else:
        _report(found, left, env, fixed=fix)
    raise typer.Exit(1 if left else 0)


def _report(found: list[Finding], left: list[Finding], env: str, *, fixed: bool) -> None:
    if not found:
        output.out.print("The state is in order.")
        return
    columns = ["stack", "what", "seen", "repaired" if fixed else "repair"]
    rows = [[one.stack, one.what, one.seen, ("yes" if one not in left else "no: " + one.repair) if fixed else one.repair] for one in found]
    output.table(columns, rows)
    if any(one.ours for one in left) and not fixed:
        output.next_steps([f"lz state doctor --env {env} --fix"])


def _copied_to(planned: EnvironmentPlan, place: str, asked: Collection[str]) -> list[str]:
    """Those of the asked regions (none named: of all) whose copies lie in a region. InputError with every asked one whose do not."""
    found = [one.name for one in planned.regions.values() if one.counterpart == place and (not asked or one.name in asked)]
    elsewhere = {name: planned.regions[name].counterpart for name in sorted(set(asked) - set(found))}
    raise_all(
        Problem(
            f"no copies of region {name} lie in region {place}",
            cure=f"say --from {other}" if other else "it has no other region to be copied to: give it a `counterpart`",
        )
        for name, other in elsewhere.items()
    )
    if not found:
        raise InputError(
            Problem(f"no region is copied to region {place}", cure="say --from with the `counterpart` of the region that was lost")
        )
    return found


def _shelves(planned: EnvironmentPlan, regions: Iterable[str]) -> tuple[list[Shelf], list[Problem]]:
    """Where the copies of these regions lie, each other region signed in to; and why that was not possible for the rest.

    InputError with every region that has no other one.
    """
    asked = [planned.regions[name] for name in regions]
    cure = "give it a `counterpart` in the environment file"
    raise_all(Problem(f"region {one.name} has no other region to be copied to", cure=cure) for one in asked if one.counterpart is None)
    pairs = {one.name: one.counterpart for one in asked if one.counterpart}
    reached = reach(planned, set(pairs.values()))
    found = [Shelf(planned.code, name, place, reached.connections[place]) for name, place in pairs.items() if place in reached.connections]
    silent = [(name, reached.problems[place]) for name, place in pairs.items() if place in reached.problems]
    return found, [replace(problem, what=f"the copies of region {name} cannot be reached: {problem.what}") for name, problem in silent]


def _made(planned: EnvironmentPlan, stacks: Stacks, asked: Collection[str], keep: int) -> tuple[list[Copy], list[Problem]]:
    """A copy of each region that has state, and why there is none of the others. What is wrong here is told before the first is made."""
    objects = copies.contents(stacks, asked)
    for name in asked:
        if name not in objects:
            Progress().say(f"region {name} has no state: there is nothing to copy")
    return _each(planned, objects, lambda shelf: [shelf.put(objects[shelf.region], keep)])


def _each(planned: EnvironmentPlan, regions: Iterable[str], work: Callable[[Shelf], list[Copy]]) -> tuple[list[Copy], list[Problem]]:
    """What `work` gives for the shelf of each region, and what went wrong with the others. InputError when none can be reached."""
    shelves, problems = _shelves(planned, regions)
    if not shelves:
        raise InputError(*problems)
    found: list[Copy] = []
    for shelf in shelves:
        try:
            found += work(shelf)
        except LzError as error:
            problems += error.problems
        except (SDKException, ClientException) as error:
            what, why = f"the object store of region {shelf.place} did not do what it was asked", f"{type(error).__name__}: {error}"
            problems.append(Problem(what, shelf.container, why, "is it healthy (the lab: lz lab doctor)? Then run the same command again"))
    return found, problems


def _sites(planned: EnvironmentPlan, regions: Iterable[str], progress: Progress) -> Mapping[str, Site]:
    """The clouds of those of the regions (none named: all) that can be asked; the others are told."""
    reached = reach(planned, tuple(regions) or planned.regions)
    for name, problem in reached.problems.items():
        progress.say(f"region {name} is not asked: {problem.what}")
    return {name: Site(reached.clouds[planned.regions[name].cloud], connection) for name, connection in reached.connections.items()}


def _tell(found: list[Copy], json_: bool) -> None:
    if json_:
        output.document([_copy(copy) for copy in found])
        return
    rows = [[copy.region, copy.place, copy.stamp, str(len(copy.stacks)), str(copy.size)] for copy in found]
    output.table(["of region", "in region", "stamp", "stacks", "bytes"], rows, numbers=("stacks", "bytes"))


def _copy(copy: Copy) -> dict[str, Any]:
    return {"region": copy.region, "in": copy.place, "stamp": copy.stamp, "stacks": list(copy.stacks), "bytes": copy.size}


def _finding(one: Finding) -> dict[str, Any]:
    return {"stack": one.stack, "kind": one.kind, "what": one.what, "seen": one.seen, "repair": one.repair, "ours": one.ours}
