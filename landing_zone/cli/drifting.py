"""`lz drift`: what is otherwise in the cloud than the environment file says, and the repair."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import Annotated, Any

import typer

from foundation.errors import LzError, Problem, raise_all
from foundation.progress import Progress
from landing_zone.cli import flags, output
from landing_zone.cli.board import Board
from landing_zone.cli.changes import agree, clear_projects, inside, remember_projects
from landing_zone.cli.proving import EXIT
from landing_zone.drift import look, repair
from landing_zone.drift.facts import Difference
from landing_zone.drift.kinds import KINDS
from landing_zone.drift.look import Sight
from landing_zone.drift.repair import Repair
from landing_zone.engine import credentials, limits
from landing_zone.engine.opening import open_alone
from landing_zone.engine.runs import WIDTH, Run, rank
from landing_zone.engine.stack import PARALLEL, StackKey
from landing_zone.planners.shares import PROBES
from landing_zone.proof.results import worst
from landing_zone.proof.verify import pin

INSTANCES = ("access", PROBES)  # layers with hosts whose keys are pinned


def drift(
    env: flags.Env = flags.DEFAULT_ENV,
    region: flags.Regions = None,
    layer: flags.Layers = None,
    tenant: flags.Tenants = None,
    parallel: flags.Parallel = PARALLEL,
    side_by_side: flags.Width = WIDTH,
    fix: Annotated[bool, typer.Option("--fix", help="Show what would put it right, ask, and do it.")] = False,
    yes_delete_data: Annotated[
        list[str] | None, typer.Option("--yes-delete-data", help="Name or id of a thing with data that --fix may remove.")
    ] = None,
    yes: flags.Yes = False,
    details: Annotated[bool, typer.Option("--details", help="Name also the kinds that are as they should be.")] = False,
    json_: flags.Json = False,
) -> None:
    """Find what lives in the cloud and is not in the model, what is missing, and what was changed. Without --fix only looks.

    Each finding is tied to a control. Exit code 4 when anything is found (with --fix: is left), 5 when nothing is found but
    something could not be evaluated. What is a tenant's own business is left alone: docs/reference/drift.md.

    Examples:

    \b
        lz drift --env lab
        lz drift --env lab --region north --tenant edu --json
        lz drift --env lab --fix
        lz drift --env lab --fix --yes --yes-delete-data old-database
    """
    board = Board(Progress())
    asked = flags.asked(env, region, layer, tenant, parallel, side_by_side)
    with open_alone(asked, board.say, board) as (run, chosen):
        sights = look.look(run, chosen)
        if fix and _differences(sights):
            if not json_:
                _show(sights, details=details)
            put_right(run, board, sights, yes_delete_data or (), yes=yes, quiet=json_)
            sights = look.look(run, chosen)
    found = look.results(sights)
    if json_:
        output.document({"results": [output.result_data(each) for each in found], "differences": _data(_differences(sights))})
    else:
        _show(sights, details=details)
        if _differences(sights) and not fix:
            output.next_steps([f"lz drift --env {env} --fix"])
    raise typer.Exit(EXIT[worst(found)])


def put_right(run: Run, board: Board, sights: Sequence[Sight], named: Sequence[str], *, yes: bool, quiet: bool) -> None:
    """Plan the repair and do it step by step, each shown and asked for first.

    Removals come first, then the stacks, layer by layer: only when accounts have their grants again can what they made be read.
    LzError with all that the cloud refused; what could be done is done.
    """
    planned = repair.plan(run.plan.code, _differences(sights), named)
    if not quiet:
        _show_plan(planned)
    problems: list[Problem] = []
    if planned.remove or planned.set:
        agree("Remove and set this?", yes=yes)
        problems += repair.carry_out(planned, run.connections, {project: store for one in sights for project, store in one.stores.items()})
    wanted = planned.restore.union(*(run.dependents(key) for key in planned.remade))
    try:
        for _, keys in groupby(sorted(wanted, key=_rank), key=_rank):
            _restore(run, board, planned, list(keys), yes=yes, quiet=quiet)
        touched = {StackKey(run.plan.code, one.region, one.fact.layer) for one in planned.remove}
        limits.ensure(run, wanted)
        credentials.ensure(run, wanted | touched, look=True)  # with a grant Keystone removes the credentials of its holder
    except LzError as error:
        raise LzError(*problems, *error.problems) from None
    except typer.Exit:  # a no to the rest
        raise_all(problems, LzError)
        raise
    raise_all(problems, LzError)


def _restore(run: Run, board: Board, planned: Repair, keys: list[StackKey], *, yes: bool, quiet: bool) -> None:
    """Have stacks of one step do what `lz up` does; those that have to be restored read the cloud anew before."""
    with board.showing():
        run.refresh(key for key in keys if key in planned.restore and run.stacks.resources(key))
        previews = run.previews(keys)
    if not any(each.changed for each in previews):
        return
    raise_all(inside(run, previews), LzError)
    if not quiet:
        for each in previews:
            for line in each.details:
                output.out.print(f"{each.key.name}: {line}", markup=False)
    agree("Apply these changes?", yes=yes)
    with board.showing():
        remember_projects(run, previews)
        run.apply(previews)
        clear_projects(run)
        pin(run, sorted({key.region for key in keys if key.layer in INSTANCES}))


def _rank(key: StackKey) -> int:
    return rank(key.layer)


def _show(sights: Iterable[Sight], *, details: bool) -> None:
    output.results(look.results(sights), details=details)


def _show_plan(planned: Repair) -> None:
    output.out.print("\nThe repair:", style="bold")
    rows = [(one, "remove") for one in planned.remove]
    rows += [(one, f"set {', '.join(one.changed)}" if one.changed else "make anew") for one in planned.set]
    rows += [(one, f"leave: {why}") for one, why in planned.leave]
    if rows:
        output.table(
            ["region", "layer", "what", "how"],
            [[one.region, one.fact.layer, output.plain(f"{one.fact.kind} {one.fact.name}"), output.plain(how)] for one, how in rows],
        )
    if planned.restore:
        output.out.print(f"By their stacks: {', '.join(sorted(key.name for key in planned.restore))}", markup=False)


def _differences(sights: Iterable[Sight]) -> list[Difference]:
    return [one for sight in sights for one in sight.differences]


def _data(differences: Iterable[Difference]) -> list[dict[str, Any]]:
    return [
        {
            "region": one.region,
            "layer": one.fact.layer,
            "kind": one.fact.kind,
            "name": one.fact.name,
            "id": one.fact.id,
            "finding": one.finding,
            "details": list(one.details),
            "control": KINDS[one.fact.kind].control,
        }
        for one in differences
    ]
