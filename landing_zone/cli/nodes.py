"""`lz nodes`: the nodes that stand."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Annotated

import typer

from foundation.errors import InputError, Problem
from foundation.progress import Progress
from landing_zone import effective, inventory
from landing_zone import nodes as fleet
from landing_zone.cli import flags, output
from landing_zone.cli.proving import EXIT
from landing_zone.engine.opening import open_offline
from landing_zone.proof.results import worst
from landing_zone.ssh.hosts import renew

SIDE_BY_SIDE = 8
app = typer.Typer(
    name="nodes",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    help="The nodes that stand, against the role that hardens them.",
)


@app.callback()
def group() -> None:
    """Commands on the nodes that stand."""


@app.command()
def check(
    env: flags.Env = flags.DEFAULT_ENV,
    region: flags.Regions = None,
    variables: Annotated[
        Path | None, typer.Option("--vars", exists=True, dir_okay=False, help="YAML file with variables of the role.")
    ] = None,
    json_: flags.Json = False,
) -> None:
    """Compare every node that stands with what the hardening role would make of it, and ask it what is in force, through the
    bastion. Changes nothing.

    Exit code 4 when a node is otherwise or a unit of it failed, 5 when all that could be compared is right, but one could not.

    Examples:

    \b
        lz nodes check --env lab
        lz nodes check --env lab --region north --vars nodes.yml --json
    """
    plan, chosen, stacks = open_offline(flags.asked(env, region))
    found = inventory.hosts(plan, stacks, [name for name in plan.regions if not chosen.regions or name in chosen.regions])
    if not found:
        raise InputError(Problem("there is no node to check", why="nothing stands", cure=f"lz up --env {env}"))
    renew(stacks.home, plan.code, inventory.hosts(plan, stacks, plan.regions))
    progress = Progress()
    with progress.step(f"{len(found)} nodes compared with the role"):
        results = fleet.check(stacks.home, inventory.ansible(plan, stacks.home, found, {}), variables)
    with progress.step(f"{len(found)} nodes asked what is in force"), ThreadPoolExecutor(max_workers=SIDE_BY_SIDE) as pool:
        asked = pool.map(lambda one: effective.check(one.region, one.name, effective.enter(one.name, stacks.home.ssh_config)), found)
        results += [result for answers in asked for result in answers]
    if json_:
        output.document([output.result_data(each) for each in results])
    else:
        output.results(results, details=True)
    raise typer.Exit(EXIT[worst(results)])
