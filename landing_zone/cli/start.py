"""Commands to begin with: the whole way on this machine, and a first environment file."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from pathlib import Path
from typing import Annotated, Any

import typer

from foundation import files, stopping
from foundation.errors import InputError, Problem
from foundation.progress import Progress
from lab import lifecycle, requirements
from lab.compute import choose
from lab.lifecycle import Standing
from landing_zone import model
from landing_zone.cli import answers, changes, explain, flags, output, proving
from landing_zone.engine.opening import ENVIRONMENTS, Asked
from landing_zone.model.fields import COUNTRY
from landing_zone.model.scaffold import environment_text
from landing_zone.proof.results import worst
from tools import engine

SCHEMA = ENVIRONMENTS / "schema" / "environment.json"


def quickstart(
    region: Annotated[list[str] | None, typer.Option("--region", "-r", help="north or south; default: as many as fit.")] = None,
    compute: Annotated[str, typer.Option(help="How instances run: auto, kvm, uml or qemu.")] = "auto",
    json_: flags.Json = False,
) -> None:
    """Everything on this machine: engine, lab cloud, the first landing zone, and the proof that it holds.

    Examples:

    \b
        lz quickstart
        lz quickstart --region north --json
    """
    names = tuple(region or requirements.default_regions())
    progress = Progress()
    _refuse_unfit(names, compute)
    with progress.showing():
        stands = _engine_and_lab(names, compute, progress)
    asked = Asked("lab", regions=tuple(stands.regions))
    run, chosen, done = changes.bring_up(asked, progress, yes=True, quiet=True)
    results = proving.prove(asked, progress)
    if json_:
        output.document(
            {
                "regions": list(stands.regions),
                "compute": stands.compute,
                "stacks": [output.outcome_data(each) for each in done],
                "results": [output.result_data(each) for each in results],
                "seconds": round(time.monotonic() - progress.started, 1),
            }
        )
    else:
        output.results(results)
        output.out.print()
        output.outcomes(done)
        output.next_steps(changes.ways_on(run, "lab", chosen))
    raise typer.Exit(proving.EXIT[worst(results)])


def _refuse_unfit(names: Sequence[str], compute: str) -> None:
    """InputError with all that keeps the lab from this machine, before anything is downloaded or compiled beside it."""
    lifecycle.require_fit(names, compute)
    if compute != "auto":  # which always finds one, by a try that takes a second
        choose.choose(compute)


def _engine_and_lab(names: tuple[str, ...], compute: str, progress: Progress) -> Standing:
    """Install the engine and bring up the lab, side by side. When one fails, that is told at once, and the other stops as by Ctrl-C."""
    with ThreadPoolExecutor(max_workers=2) as pool, stopping.heard_by_all(progress.say):
        installing = pool.submit(engine.install, progress)
        rising = pool.submit(lifecycle.up, names, compute, progress)
        both: tuple[Future[Any], ...] = (installing, rising)
        wait(both, return_when=FIRST_EXCEPTION)
        failed = next((error for each in both if each.done() and (error := each.exception())), None)
        if failed:
            progress.say(f"{explain(failed)[0][0].what}; what goes on beside it is brought to its end", style="red")
            stopping.stop()
            raise failed
        return rising.result()


def init(
    code: Annotated[str | None, typer.Option(help="Short name of the environment; also of its file.")] = None,
    name_en: Annotated[str | None, typer.Option(help="Its name in English.")] = None,
    name_vi: Annotated[str | None, typer.Option(help="Its name in Vietnamese.")] = None,
    klass: Annotated[str | None, typer.Option("--class", help="central, agency or enterprise.")] = None,
    level: Annotated[int | None, typer.Option(min=1, max=5, help="Security level, 1 to 5.")] = None,
    email: Annotated[str | None, typer.Option(help="Who owns it.")] = None,
    country: Annotated[str, typer.Option(help="Country in which its data stays, two letters.")] = COUNTRY,
    region: Annotated[list[str] | None, typer.Option("--region", "-r", help=f"{answers.REGION_FORM}; the primary one first.")] = None,
    tenant: Annotated[list[str] | None, typer.Option("--tenant", "-t", help=f"{answers.TENANT_FORM}; as often as needed.")] = None,
    folder: Annotated[Path, typer.Option(help="Where the file is written.")] = ENVIRONMENTS,
    json_: flags.Json = False,
) -> None:
    """Write a new environment file from a few answers; on a terminal, what no flag says is asked.

    Examples:

    \b
        lz init
        lz init --code pilot --name-en Pilot --name-vi "Thí điểm" --class agency --level 2 --email ops@pilot.example \\
          --region north:lab-north:Hanoi:21.03:105.85 --tenant edu:P.EDU:"Sở Giáo dục":"Department of Education"
    """
    if not folder.is_dir():
        raise InputError(Problem("there is no such folder", where=str(folder), cure="make it, or take another --folder"))
    singles = (code, name_en, name_vi, klass, None if level is None else str(level), email)
    given = answers.Given(dict(zip(answers.QUESTIONS, singles, strict=True)), country, region, tenant, folder)
    told = answers.collect(given)
    path = given.path(told.code)
    _write(path, environment_text(told, os.path.relpath(SCHEMA, folder.resolve())))
    if json_:
        output.document({"written": [str(path)]})
        return
    output.out.print(f"Written: {path}", markup=False)
    output.next_steps([f"lz plan --env {told.code if folder == ENVIRONMENTS else path}"])


def _write(path: Path, text: str) -> None:
    """Write an environment file that loads. One that does not is kept under another name, since somebody typed what is in it."""
    draft = path.with_name(f"{path.name}.rejected")
    files.replace(draft, text, 0o644)
    try:
        model.load(draft)
    except InputError as error:
        cure = f"correct it and name it {path.name}, or answer anew"
        raise InputError(*error.problems, Problem("no environment was made; the answers are kept", str(draft), cure=cure)) from None
    draft.replace(path)
