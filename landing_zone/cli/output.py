"""What a command hands back: tables for people on standard output, or one JSON document with --json."""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from foundation.errors import Problem
from foundation.progress import console
from foundation.shell import callable_here, told
from landing_zone.engine.stack import Outcome
from landing_zone.preflight import Finding
from landing_zone.proof.results import Result, Verdict

WIDE = 240  # columns where there is no terminal: nothing is folded there
out = Console(highlight=False, emoji=False, soft_wrap=True, width=None if sys.stdout.isatty() else WIDE)
STYLES = {Verdict.PASS: "green", Verdict.FAIL: "red", Verdict.UNKNOWN: "yellow"}
DONE = {"create": "created", "update": "updated", "delete": "deleted", "replace": "replaced", "same": "unchanged"}


def document(data: Any) -> None:
    """Print one JSON document."""
    json.dump(data, sys.stdout, indent=1, ensure_ascii=False, sort_keys=False)
    print()


def table(columns: Sequence[str], rows: Iterable[Sequence[str]], numbers: Iterable[str] = ()) -> None:
    """Print a table; `numbers` are the columns that are set to the right."""
    right = set(numbers)
    made = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        made.add_column(column, justify="right" if column in right else "left", overflow="fold")
    for row in rows:
        made.add_row(*row)
    out.print(made)


def outcomes(done: Sequence[Outcome], *, future: bool = False) -> None:
    """The table of a run: region, layer, resources, what happens or happened to them, seconds."""
    columns = ["region", "layer", "resources", "changes", "seconds"]
    rows = [[each.key.region, each.key.layer, str(each.resources), changes(each, future=future), f"{each.seconds:.1f}"] for each in done]
    total = [["", "all", str(sum(each.resources for each in done)), "", ""]] if len(done) > 1 else []
    table(columns, [*rows, *total], numbers=("resources", "seconds"))


def changes(outcome: Outcome, *, future: bool = False) -> str:
    """The changes of one stack in words: `12 created, 3 unchanged`, or in the future `12 to create`; `unchanged` when it was skipped."""
    if outcome.operation == "skip":
        return "unchanged"
    words = (
        f"{count} to {op}" if future and op != "same" else f"{count} {DONE.get(op, op)}" for op, count in sorted(outcome.changes.items())
    )
    return ", ".join(words) or ("state only" if outcome.changed else "none")


def outcome_data(outcome: Outcome) -> dict[str, Any]:
    """One outcome for JSON."""
    return {
        "stack": outcome.key.name,
        "region": outcome.key.region,
        "layer": outcome.key.layer,
        "operation": outcome.operation,
        "resources": outcome.resources,
        "changes": dict(outcome.changes),
        "details": list(outcome.details),
        "seconds": round(outcome.seconds, 1),
    }


def results(found: Sequence[Result], *, details: bool = False) -> None:
    """What a proof found: how many checks of each control passed, every one that did not, with `details` every one."""
    order = [Verdict.FAIL, Verdict.UNKNOWN, Verdict.PASS]
    counts = Counter((each.control, each.region, each.verdict) for each in found)
    rows = [
        [control, region, *(str(counts[control, region, verdict]) for verdict in reversed(order))]
        for control, region in sorted({(each.control, each.region) for each in found})
    ]
    names = [verdict.value for verdict in reversed(order)]
    table(["control", "region", *names], rows, numbers=names)
    shown = [each for each in found if details or each.verdict is not Verdict.PASS]
    if shown:
        out.print()
        shown.sort(key=lambda each: (order.index(each.verdict), each.region, each.control))
        table(
            ["result", "control", "region", "check", "seen"],
            [
                [f"[{STYLES[each.verdict]}]{each.verdict.value}[/]", each.control, each.region, plain(each.check), plain(each.seen)]
                for each in shown
            ],
        )
    out.print("\n" + ", ".join(f"{sum(each.verdict is verdict for each in found)} {verdict.value}" for verdict in reversed(order)))


def findings(found: Sequence[Finding]) -> None:
    """The table of a preflight: what was checked in each region, and how it came out."""
    rows = [[each.region, each.check, f"[{STYLES[each.verdict]}]{each.verdict.value}[/]", str(len(each.problems) or "")] for each in found]
    table(["region", "check", "result", "problems"], rows, numbers=("problems",))


def finding_data(finding: Finding) -> dict[str, Any]:
    """One finding of a preflight for JSON."""
    return {
        "region": finding.region,
        "check": finding.check,
        "result": finding.verdict.value,
        "problems": [problem_data(problem) for problem in finding.problems],
    }


def result_data(result: Result) -> dict[str, str]:
    """One result for JSON."""
    return {
        "control": result.control,
        "region": result.region,
        "check": result.check,
        "result": result.verdict.value,
        "seen": result.seen,
    }


def problem_data(problem: Problem) -> dict[str, str]:
    """One problem for JSON."""
    return {"what": problem.what, "where": problem.where, "why": problem.why, "cure": problem.cure}


def warn(problem: Problem) -> None:
    """Tell of a problem on standard error that does not keep the command from going on."""
    console.print(Text.assemble(("warning: ", "bold yellow"), told(problem)))


def next_steps(lines: Iterable[str]) -> None:
    """What a person does next: lines that work when pasted. A line that begins with lz is completed with where it lies."""
    out.print("\nWhat next:", style="bold")
    for line in lines:
        out.print(f"  {callable_here(line)}", markup=False)


def plain(text: str) -> str:
    """Text in which square brackets are no markup."""
    return text.replace("[", r"\[")
