"""Commands to begin with: the whole way on this machine, and a first environment file."""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from pathlib import Path
from typing import Annotated, Any, get_args

import typer

from foundation import files, stopping
from foundation.errors import InputError, Problem
from foundation.progress import Progress
from lab import lifecycle, requirements
from lab.compute import choose
from lab.lifecycle import Standing
from landing_zone import model
from landing_zone.cli import changes, explain, flags, output, proving
from landing_zone.engine.opening import ENVIRONMENTS, Asked
from landing_zone.model.fields import CODE_PATTERN, Klass
from landing_zone.model.levels import LEVELS, figures
from landing_zone.model.scaffold import Answers, RegionAnswer, TenantAnswer, environment_text
from landing_zone.proof.results import worst
from tools import engine

MOST_REGIONS = 2
REGION_FORM = "NAME:CLOUD:PLACE:LATITUDE:LONGITUDE"
TENANT_FORM = "CODE:DTI_CODE:NAME_VI:NAME_EN"


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
    region: Annotated[list[str] | None, typer.Option("--region", "-r", help=f"{REGION_FORM}; the primary one first.")] = None,
    tenant: Annotated[list[str] | None, typer.Option("--tenant", "-t", help=f"{TENANT_FORM}; as often as needed.")] = None,
    folder: Annotated[Path, typer.Option(help="Where the file is written.")] = ENVIRONMENTS,
    json_: flags.Json = False,
) -> None:
    """Write a new environment file from a few answers; on a terminal, what no flag says is asked.

    Examples:

    \b
        lz init
        lz init --code pilot --name-en Pilot --name-vi "Thí điểm" --class agency --level 2 --email ops@pilot.example
          --region north:lab-north:Hanoi:21.03:105.85 --tenant edu:P.EDU:"Sở Giáo dục":"Department of Education"
    """
    if not folder.is_dir():
        raise InputError(Problem("there is no such folder", where=str(folder), cure="make it, or take another --folder"))
    short = _code(_answer(code, "Short name of the environment", "--code"))
    path = folder / f"{short}.yaml"
    if path.exists():
        raise InputError(Problem("there is such a file already", where=str(path), cure="take another --code, or edit the file"))
    answers = Answers(
        code=short,
        name_en=_answer(name_en, "Its name in English", "--name-en"),
        name_vi=_answer(name_vi, "Its name in Vietnamese", "--name-vi"),
        klass=_klass(_answer(klass, "Class (central, agency, enterprise)", "--class")),
        level=(chosen := _level(_answer(None if level is None else str(level), "Security level, 1 to 5", "--level"))),
        email=_answer(email, "Mail address of its owner", "--email"),
        regions=tuple(_region(text) for text in region or _regions_of(chosen)),
        tenants=tuple(_tenant(text) for text in (_tenants() if tenant is None else tenant)),
    )
    if len(answers.regions) > MOST_REGIONS:
        cure = f"answer for {MOST_REGIONS}, and write the others into the file, each with a supernet of its own"
        raise InputError(Problem(f"{len(answers.regions)} regions: a new file has one, or a pair", cure=cure))
    _write(path, environment_text(answers))
    if json_:
        output.document({"written": [str(path)]})
        return
    output.out.print(f"Written: {path}", markup=False)
    output.next_steps([f"lz plan --env {answers.code if folder == ENVIRONMENTS else path}"])


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


def _regions_of(level: int) -> list[str]:
    """Answers for as many regions as the level asks for."""
    ranks = ("Primary", "Secondary") if figures()["second_region"].at(level) else ("Primary",)
    return [_answer(None, f"{rank} region as {REGION_FORM}", "--region") for rank in ranks]


def _tenants() -> Iterator[str]:
    """Answers until an empty one; none where there is nobody to ask."""
    if sys.stdin.isatty():
        yield from iter(lambda: str(typer.prompt(f"A tenant as {TENANT_FORM} (empty: no more)", "", show_default=False, err=True)), "")


def _answer(given: str | None, question: str, flag: str) -> str:
    if given is not None:
        return given
    if not sys.stdin.isatty():
        raise InputError(Problem(f"{flag} is missing", cure=f"give {flag}, or run it on a terminal: then it asks"))
    return str(typer.prompt(question, err=True))


def _code(text: str) -> str:
    """A short name as the file has it, and as its own name is made of it: no path to somewhere else."""
    if re.fullmatch(CODE_PATTERN, text):
        return text
    cure = "1 to 12 of a-z and 0-9, a letter first"
    raise InputError(Problem(f"{text!r} is no short name of an environment", cure=cure))


def _level(text: str) -> int:
    if text in map(str, LEVELS):
        return int(text)
    raise InputError(Problem(f"{text!r} is no security level", cure=f"a number from {LEVELS[0]} to {LEVELS[-1]}"))


def _klass(text: str) -> Klass:
    for known in get_args(Klass):
        if text == known:
            return text  # type: ignore[return-value]
    raise InputError(Problem(f"{text!r} is no class of environments", cure=f"one of: {', '.join(get_args(Klass))}"))


def _region(text: str) -> RegionAnswer:
    parts = text.split(":")
    try:
        name, cloud, place, latitude, longitude = parts
        return RegionAnswer(name, cloud, place, float(latitude), float(longitude))
    except ValueError:
        raise InputError(Problem(f"{text!r} does not describe a region", cure=f"write it as {REGION_FORM}")) from None


def _tenant(text: str) -> TenantAnswer:
    try:
        code, dti_code, name_vi, name_en = text.split(":")
    except ValueError:
        raise InputError(Problem(f"{text!r} does not describe a tenant", cure=f"write it as {TENANT_FORM}")) from None
    return TenantAnswer(code, dti_code, name_vi, name_en)
