"""The `lz` command. `main` is its entry point; everything that can go wrong leaves it as one block and an exit code."""

from __future__ import annotations

import logging
import sys
import traceback
from collections.abc import Sequence

import typer
from rich.console import Console
from typer._click.exceptions import ClickException  # Typer brings its own copy of click and offers its errors nowhere else

from foundation.errors import INTERRUPTED, Problem, debugging, explained, fault
from foundation.shell import told

DEBUG = "--debug"
OTHERS = "--"  # what stands behind it is for another program
CLOUD_LIBRARIES = {"openstack", "keystoneauth1"}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code (see `lz --help`)."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    end = words.index(OTHERS) if OTHERS in words else len(words)
    debug = DEBUG in words[:end] or debugging()
    ours = [word for word in words[:end] if word != DEBUG]
    logging.basicConfig(level=logging.INFO if debug else logging.CRITICAL)  # libraries say in errors what they say in logs
    try:
        from landing_zone.cli.app import app  # noqa: PLC0415  only now: an import that fails is told as an error, too

        code = int(app([*ours, *words[end:]], standalone_mode=False) or 0)
        return _tell(KeyboardInterrupt(), ours, debug) if code == INTERRUPTED else code  # Typer makes an interrupt a code
    except typer.Exit as stop:
        return stop.exit_code
    except typer.Abort:
        return _tell(KeyboardInterrupt(), ours, debug)
    except ClickException as error:
        error.show()
        _as_json([Problem(error.format_message(), cure="look at the command with --help")], ours)
        return error.exit_code
    except (Exception, KeyboardInterrupt) as error:  # the last place that can put it into words
        return _tell(error, ours, debug)


def explain(error: BaseException) -> tuple[Sequence[Problem], int]:
    """Problems and exit code of an error."""
    known = explained(error)
    if known:
        return known
    if any(kind.__module__.partition(".")[0] in CLOUD_LIBRARIES for kind in type(error).__mro__):
        cure = "is it healthy, and can this machine reach it (the lab: lz lab doctor)? Then run the same command again"
        return [Problem("the cloud did not do what it was asked", why=f"{type(error).__name__}: {error}", cure=cure)], 1
    return fault(error, DEBUG)


def _tell(error: BaseException, words: Sequence[str], debug: bool) -> int:
    """Print an error as one block on standard error, and as JSON on standard output with --json; returns the exit code."""
    console = Console(stderr=True, highlight=False, emoji=False, soft_wrap=True)
    problems, code = explain(error)
    if debug:
        console.print("".join(traceback.format_exception(error)), markup=False)
    _as_json(problems, words)
    for problem in problems:
        head, *rest = told(problem).splitlines()
        console.print("error: ", style="bold red", end="")
        console.print(head, style="bold", markup=False)
        for line in rest:
            console.print(line, markup=False)
    return code


def _as_json(problems: Sequence[Problem], words: Sequence[str]) -> None:
    """Print problems as the one document on standard output, where it was asked for."""
    if "--json" in words:
        from landing_zone.cli import output  # noqa: PLC0415  see above

        output.document({"problems": [output.problem_data(problem) for problem in problems]})
