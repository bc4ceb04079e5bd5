"""`lz verify`: the proof."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import typer

from foundation.progress import Progress
from landing_zone.cli import flags, output
from landing_zone.cli.board import Board
from landing_zone.engine.opening import Asked, open_alone
from landing_zone.engine.stack import PARALLEL
from landing_zone.proof import verify as proof
from landing_zone.proof.results import Result, Verdict, worst

EXIT = {Verdict.PASS: 0, Verdict.FAIL: 4, Verdict.UNKNOWN: 5}


def verify(
    env: flags.Env = flags.DEFAULT_ENV,
    region: flags.Regions = None,
    layer: flags.Layers = None,
    tenant: flags.Tenants = None,
    parallel: flags.Parallel = PARALLEL,
    keep_probes: Annotated[bool, typer.Option("--keep-probes", help="Leave the probe instances for the next run.")] = False,
    details: Annotated[bool, typer.Option("--details", help="Name also the checks that passed.")] = False,
    json_: flags.Json = False,
) -> None:
    """Prove on the live cloud, with real packets, that what must pass passes and what must not does not.

    Each check is tied to a control and ends as: pass, fail, or could not be evaluated. Exit code 4 when any failed, 5 when
    none failed but some could not be evaluated. With --layer or --tenant: the checks of which one end at least is of it.

    Examples:

    \b
        lz verify --env lab
        lz verify --env lab --region north --keep-probes
        lz verify --env lab --tenant edu
        lz verify --env lab --json > results.json
    """
    found = prove(flags.asked(env, region, layer, tenant, parallel), Progress(), keep_probes=keep_probes)
    if json_:
        output.document([output.result_data(each) for each in found])
    else:
        output.results(found, details=details)
    raise typer.Exit(EXIT[worst(found)])


def prove(asked: Asked, progress: Progress, *, keep_probes: bool = False) -> Sequence[Result]:
    """Run the whole proof on the chosen regions."""
    board = Board(progress)
    with open_alone(asked, board.say, board) as (run, chosen), board.showing():
        return proof.verify(run, run.connections, chosen, keep_probes=keep_probes)
