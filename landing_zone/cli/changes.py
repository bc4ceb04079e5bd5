"""Commands that look at or make changes: plan, up, down."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Annotated

import typer

from foundation.errors import BusyError, InputError, LzError, Problem, raise_all
from foundation.progress import Progress
from landing_zone import inventory, preflight
from landing_zone.cli import flags, output
from landing_zone.cli.board import Board
from landing_zone.documents import pictures
from landing_zone.drift import others
from landing_zone.drift.others import Others
from landing_zone.engine import credentials, gateways, limits, sweep
from landing_zone.engine.opening import REHEARSED, Asked, Refused, environment_file, load_plan, open_alone
from landing_zone.engine.runs import WIDTH, Run, Selection
from landing_zone.engine.stack import PARALLEL, Outcome, StackKey
from landing_zone.planners.ledgerfile import save_ledger
from landing_zone.planners.plan import InstanceSpec, RegionPlan
from landing_zone.planners.quotas import Limits
from landing_zone.planners.shares import PROBES
from landing_zone.proof.verify import pin
from landing_zone.ssh import pinning
from landing_zone.ssh.hosts import renew


def plan(
    env: flags.Env = flags.DEFAULT_ENV,
    region: flags.Regions = None,
    layer: flags.Layers = None,
    tenant: flags.Tenants = None,
    parallel: flags.Parallel = PARALLEL,
    side_by_side: flags.Width = WIDTH,
    details: Annotated[bool, typer.Option("--details", help="Name every resource that would change.")] = False,
    full: flags.Full = False,
    diagram: Annotated[
        Path | None, typer.Option("--diagram", file_okay=False, help="Only write topology and address book into this folder.")
    ] = None,
    json_: flags.Json = False,
) -> None:
    """Show what `lz up` would do. Nothing is changed.

    A stack that cannot have changed since it was last right is not looked at: its part of the plan, the programs, their pins
    and its state are what they were. What somebody changed in the cloud is for `lz drift`.

    Examples:

    \b
        lz plan --env lab
        lz plan --env lab --region north --details
        lz plan --env lab --tenant edu --json
        lz plan --env lab --full
        lz plan --env lab --diagram pictures
    """
    if diagram is not None:
        written = draw(env, diagram)
        if json_:
            output.document({"written": [str(path) for path in written]})
        for path in () if json_ else written:
            output.out.print(f"Written: {path}", markup=False)
        return
    board = Board(Progress())
    asked = flags.asked(env, region, layer, tenant, parallel, side_by_side)
    with open_alone(asked, board.say, board) as (run, chosen), board.showing():
        previews = run.previews(run.planned(chosen, probes=PROBES in chosen.layers), full=full)
        due = limits.due(run, [each.key for each in previews])
        closing = gateways.due(run, [each.key for each in previews])
    if json_:
        output.document(
            [
                {**output.outcome_data(each), "limits": sorted(due.get(each.key, ())), "gateways": sorted(closing.get(each.key, ()))}
                for each in previews
            ]
        )
        return
    output.outcomes(previews, future=True)
    _tell_due(due, closing)
    _tell_skipped(previews)
    if details:
        for each in previews:
            for line in each.details:
                output.out.print(f"{each.key.name}: {line}", markup=False)
    _tell_unplanned(run, chosen)
    if due or closing or any(each.changed for each in previews):
        output.next_steps([f"lz up --env {env}"])


def draw(env: str, folder: Path) -> list[Path]:
    """Write topology (SVG, Mermaid) and address book (CSV, HTML) of an environment, and say where; no cloud is asked."""
    drawn = list(pictures(folder / environment_file(env).stem, load_plan(env)))
    folder.mkdir(parents=True, exist_ok=True)
    for path, text in drawn:
        path.write_text(text, encoding="utf-8")
    return [path for path, _ in drawn]


def up(
    env: flags.Env = flags.DEFAULT_ENV,
    region: flags.Regions = None,
    layer: flags.Layers = None,
    tenant: flags.Tenants = None,
    parallel: flags.Parallel = PARALLEL,
    side_by_side: flags.Width = WIDTH,
    full: flags.Full = False,
    yes: flags.Yes = False,
    json_: flags.Json = False,
) -> None:
    """Make the cloud be what the environment file says: preview first, then apply. Safe to repeat and to resume.

    Examples:

    \b
        lz up --env lab
        lz up --env lab --region north --yes
        lz up --env lab --tenant edu --json --yes
        lz up --env lab --full
    """
    asked = flags.asked(env, region, layer, tenant, parallel, side_by_side)
    run, chosen, done = bring_up(asked, Progress(), full=full, yes=yes, quiet=json_)
    if json_:
        output.document([output.outcome_data(each) for each in done])
        return
    output.outcomes(done)
    _tell_skipped(done)
    _tell_unplanned(run, chosen)
    output.next_steps(ways_on(run, env, chosen))


def bring_up(
    asked: Asked, progress: Progress, *, yes: bool, full: bool = False, quiet: bool = False
) -> tuple[Run, Selection, list[Outcome]]:
    """Preview, ask, apply, pin host keys, set limits, make the tenants' credentials.

    `full`: look at every stack; `quiet`: no table of the preview. Until something is applied, an error has all problems of all regions.
    """
    try:
        return _bring_up(asked, Board(progress), yes=yes, full=full, quiet=quiet)
    except Refused as refused:
        raise preflight.beside(refused, asked) from None


def _bring_up(asked: Asked, board: Board, *, yes: bool, full: bool, quiet: bool) -> tuple[Run, Selection, list[Outcome]]:
    with open_alone(asked, board.say, board) as (run, chosen):
        with board.showing():
            previews = previewed(run, chosen, full=full)
        due = limits.due(run, [each.key for each in previews])
        closing = gateways.due(run, [each.key for each in previews])
        if due or closing or any(each.changed for each in previews):
            raise_all([*preflight.problems(preflight.examine(run, chosen)), *inside(run, previews)])
            if not quiet:
                output.outcomes(previews, future=True)
                _tell_due(due, closing)
            agree("Apply these changes?", yes=yes)
            if not asked.environment.endswith(REHEARSED):  # its regions are the lab's: nothing of it is given out for good
                save_ledger(environment_file(asked.environment), run.plan.ledger)
        else:
            board.say("the cloud is what the environment file says: nothing to do")
        board.expect({each.key.name: sum(each.changes.values()) for each in previews if each.changed})
        with board.showing():
            remember_projects(run, previews)
            done = run.apply(previews)
            gateways.close(run, [each.key for each in done])
            pin(run, run.connections)
            close_default_groups(run, [each.key for each in done])
            clear_projects(run)
            limits.ensure(run, [each.key for each in done])
            credentials.ensure(run, [each.key for each in done])
    return run, chosen, done


def previewed(run: Run, chosen: Selection, *, full: bool) -> list[Outcome]:
    """The previews. LzError, when one fails, begins with what preflight finds in any region: there the cause is told in plain words."""
    try:
        return run.previews(run.planned(chosen), full=full)
    except BusyError:
        raise
    except LzError as failed:
        found = preflight.problems(preflight.examine(run, chosen))
        raise LzError(*found, *failed.problems, exit_code=failed.exit_code) from failed


def inside(run: Run, previews: Iterable[Outcome]) -> list[Problem]:
    """What others have made inside projects and networks that would be removed: the cloud refuses where they have ports, and of a
    project everything else would be left behind."""
    found = others.leaving(run, [each.key for each in previews if each.changed])
    cure = "have it moved or removed first, or put the project or network back into the environment file"
    return [
        Problem(f"{fact.kind} {fact.name} is in a project or network that would be removed", f"region {each.region}, {fact.id}", cure=cure)
        for each in found
        for fact in each.facts
    ]


def remember_projects(run: Run, previews: Iterable[Outcome]) -> None:
    """Keep which projects are about to be removed from stacks that stay: no state knows them afterwards."""
    for key in (each.key for each in previews if each.changed):
        if gone := others.dropped(run, key)[0]:
            sweep.leave(run.stacks.home, key.name, gone)


def clear_projects(run: Run) -> None:
    """Remove what OpenStack leaves behind of projects that are gone, and forget credentials and host keys of stacks that are."""
    home, stands = run.stacks.home, run.stacks.standing()
    for name, ids in sweep.leaving(home).items():
        key = StackKey.of(name)
        gone = set(ids) - run.stacks.projects(key)
        if key.region not in run.connections or (name in stands and not gone):
            continue
        region = run.plan.regions[key.region]
        if name not in stands:
            credentials.forget(home, key)
            pinning.unpin(home, [spec.hostname for spec in instances(region, key.layer)])
        sweep.default_groups(run.connections[key.region], gone)
        limits.clear(run.connections[key.region], region.demand.services, gone)
        if len(gone) == len(ids):
            sweep.left(home, name)


def close_default_groups(run: Run, keys: Iterable[StackKey]) -> None:
    """Take Neutron's own rules out of the default groups of the projects that stacks have made, of those applied since this was done."""
    home = run.stacks.home
    applied: dict[str, list[StackKey]] = {}
    for key in keys:
        if home.unclosed(key.name).exists():
            applied.setdefault(key.region, []).append(key)
    for region, here in applied.items():
        if removed := sweep.default_rules(run.connections[region], {project for key in here for project in run.stacks.projects(key)}):
            run.say(f"region {region}: removed {removed} rules that Neutron gives default security groups by itself")
        for key in here:
            home.unclosed(key.name).unlink(missing_ok=True)


def down(
    env: flags.Env = flags.DEFAULT_ENV,
    region: flags.Regions = None,
    layer: flags.Layers = None,
    tenant: flags.Tenants = None,
    parallel: flags.Parallel = PARALLEL,
    side_by_side: flags.Width = WIDTH,
    yes_delete_others: Annotated[
        bool, typer.Option("--yes-delete-others", help="Do not ask about what others have made inside; it goes too.")
    ] = False,
    yes_delete_data: Annotated[
        list[str] | None, typer.Option("--yes-delete-data", help="Name or id of a thing with data that goes too; as often as needed.")
    ] = None,
    yes: flags.Yes = False,
    json_: flags.Json = False,
) -> None:
    """Remove what `lz up` made, in the reverse order, and leave nothing behind.

    What others have made in its projects, domains and networks is shown, asked for, and removed first. Volumes, snapshots,
    backups, images, containers, and what is protected hold data: without their names nothing at all is removed.
    A tenant that the file no longer has may be named as long as its stack stands.

    Examples:

    \b
        lz down --env lab
        lz down --env lab --region south --yes
        lz down --env lab --tenant edu --yes --yes-delete-others --yes-delete-data old-database
    """
    board = Board(Progress())
    asked = flags.asked(env, region, layer, tenant, parallel, side_by_side, standing=True)
    with open_alone(asked, board.say, board) as (run, chosen):
        keys = with_dependents(run, chosen)
        counts = {key: len([one for one in run.stacks.resources(key) if one["type"].startswith("openstack:")]) for key in keys}
        with board.showing():
            run.recover(keys)
            found = others.look(run, keys)
        protected = data_that_goes(run, keys, found, yes_delete_data or ())
        if keys and not json_:
            output.table(["region", "layer", "resources"], [[key.region, key.layer, str(count)] for key, count in counts.items()])
        agree_others(found, yes=yes_delete_others, quiet=json_)
        if keys:
            agree("Remove all of this?", yes=yes)
        with board.showing():
            raise_all((problem for each in found for problem in others.remove(each, run.connections[each.region])), LzError)
            for key, urns in protected.items():
                run.stacks.unprotect(key, urns)
            done = remove(run, keys)
    if json_:
        output.document([output.outcome_data(each) for each in done])
        return
    output.outcomes(done)
    if not keys:
        output.out.print("Nothing stands.")
    output.next_steps([f"lz up --env {env}", "lz lab down"] if run.plan.stage == "lab" else [f"lz up --env {env}"])


def data_that_goes(run: Run, keys: Iterable[StackKey], found: Iterable[Others], named: Collection[str]) -> dict[StackKey, list[str]]:
    """The protected resources (URNs) of stacks that are to be removed, all of them named.

    InputError with everything that holds data, ours or others', and is not named.
    """
    protected = {key: [one for one in run.stacks.resources(key) if one.get("protect")] for key in keys}
    ours = [
        (f"stack {key.name}", str(one["urn"]).rsplit("::", 1)[-1], one.get("id", "")) for key, each in protected.items() for one in each
    ]
    theirs = [(f"region {each.region}: {fact.kind}", fact.name, fact.id) for each in found for fact in each.data]
    raise_all(
        Problem(f"{name} holds data", f"{where} {identity}".strip(), cure=f"save the data, then: --yes-delete-data {shlex.quote(name)}")
        for where, name, identity in (*ours, *theirs)
        if name not in named and identity not in named
    )
    return {key: [str(one["urn"]) for one in each] for key, each in protected.items() if each}


def agree_others(found: Iterable[Others], *, yes: bool, quiet: bool) -> None:
    """Show what others have made and ask whether it goes; leaves the command when the answer is no.

    InputError, with all of it, when there is nobody to ask.
    """
    rows = [(each.region, fact) for each in found for fact in each.facts]
    if not rows:
        return
    if not yes and not sys.stdin.isatty():
        problems = [Problem(f"{fact.kind} {fact.name} was made by somebody else", f"region {where}, {fact.id}") for where, fact in rows]
        raise InputError(*problems, Problem("there is nobody to ask whether it goes too", cure="say so beforehand: --yes-delete-others"))
    if not quiet:
        output.out.print("\nMade by others, inside of it:", style="bold")
        output.table(["region", "what", "id"], [[region, output.plain(f"{fact.kind} {fact.name}"), fact.id] for region, fact in rows])
    agree("Remove what others have made, too?", yes=yes)


def with_dependents(run: Run, chosen: Selection) -> list[StackKey]:
    """Chosen stacks that stand. InputError when others, which stand too and are not chosen, build on them, or when one is in a
    region that is no longer planned: its cloud cannot be asked what others have made there."""
    keys = run.standing(chosen)
    staying = [key for key in run.standing(Selection()) if key not in keys]
    blocked = [
        Problem(f"{key.name} builds on what would be removed", cure="remove it too: leave --layer out, or name it as well")
        for key in staying
        if any(key in run.dependents(chosen_key) for chosen_key in keys)
    ]
    blocked += [
        Problem(
            f"{key.name} is in a region that the environment file does not have",
            cure=f"put region {key.region} back into the file, take it down (lz down --region {key.region}), and remove it then",
        )
        for key in keys
        if key.region not in run.plan.regions
    ]
    raise_all(blocked)
    return keys


def remove(run: Run, keys: list[StackKey]) -> list[Outcome]:
    """Remove stacks and what OpenStack leaves behind of their projects, and forget credentials, host keys and hosts that are gone.

    Also what is left behind of stacks that an earlier run removed, which failed or was killed before it came to that.
    """
    home = run.stacks.home
    for key in keys:
        sweep.leave(home, key.name, run.stacks.projects(key))
    done = run.remove(keys)
    clear_projects(run)
    renew(home, run.plan.code, inventory.hosts(run.plan, run.stacks, run.plan.regions))
    return done


def instances(region: RegionPlan, layer: str) -> tuple[InstanceSpec, ...]:
    """The instances that the stack of a layer makes."""
    return {"access": (region.access.bastion,), PROBES: region.probes.instances}.get(layer, ())


def ways_on(run: Run, env: str, chosen: Selection) -> list[str]:
    """Lines for a shell, after `up`."""
    lines = [f"lz verify --env {env}"]
    for region in run.plan.regions.values():
        if (not chosen.regions or region.name in chosen.regions) and run.stacks.outputs(StackKey(run.plan.code, region.name, "access")):
            lines.append(f"lz ssh --env {env} --region {region.name}")
    first = next(iter(run.connections))
    lines.append(f'eval "$(lz env --env {env})" && openstack --os-cloud {run.plan.regions[first].cloud} server list --all-projects')
    lines.append(f"lz down --env {env}")
    return lines


def agree(question: str, *, yes: bool) -> None:
    """Ask a person; leaves the command when the answer is no. InputError when there is nobody to ask."""
    if yes:
        return
    if not sys.stdin.isatty():
        raise InputError(Problem("there is nobody to ask whether to go on", cure="say so beforehand: --yes"))
    if not typer.confirm(question, err=True):
        raise typer.Exit(1)


def _tell_skipped(outcomes: Iterable[Outcome]) -> None:
    if any(each.operation == "skip" for each in outcomes):
        output.out.print("unchanged: neither plan nor state is other than when the stack was last right; --full looks all the same")


def _tell_due(due: Mapping[StackKey, Mapping[str, Limits]], closing: Mapping[StackKey, Mapping[str, str]]) -> None:
    for key, routers in closing.items():
        output.out.print(f"{key.name}: {', '.join(sorted(routers))} is to have no way out any more", markup=False)
    for key, projects in due.items():
        services = " and ".join(sorted({service for each in projects.values() for service in each}))
        output.out.print(f"{key.name}: limits of {services} are to be set, in {len(projects)} projects", markup=False)


def _tell_unplanned(run: Run, chosen: Selection) -> None:
    planned = set(run.planned(chosen, probes=True))
    for key in run.standing(chosen):
        if key not in planned:
            cure = f"lz down --env {run.plan.called} --layer {key.layer}"
            output.out.print(f"{key.name} stands, but the environment file no longer asks for it: {cure}", style="yellow", markup=False)
