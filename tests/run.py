"""Run the parts of the test suite, say how long each took, and end with one line that counts every test.

usage: python -m tests.run PART[+PART...]...      parts: lint unit engine nodes lab life long

Parts that are joined by + run side by side; the last of them shows what it prints at once, the others when all have ended.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as ET
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from rich.console import Console
from rich.table import Table

from foundation.places import CHECKOUT

BIN = ".venv/bin"
NOT_OURS = {".git", ".venv", "__pycache__", "build"}
PYTEST = (f"{BIN}/python", "-m", "pytest", "--durations=15", "--durations-min=5")


@dataclass(frozen=True)
class Counts:
    """How pytest's tests ended."""

    passed: int = 0
    failed: int = 0
    skipped: int = 0

    def __add__(self, other: Counts) -> Counts:
        return Counts(self.passed + other.passed, self.failed + other.failed, self.skipped + other.skipped)


@dataclass(frozen=True)
class Part:
    """Programs that are run one after the other, all of them, and then a pytest selection (none when empty)."""

    commands: tuple[tuple[str, ...], ...] = ()
    pytest: tuple[str, ...] = ()


@dataclass(frozen=True)
class Result:
    """How one part ended: which of its commands failed, the tests counted, what tests measured (name, words), seconds."""

    name: str
    seconds: float
    broken: tuple[str, ...] = ()
    counts: Counts = field(default_factory=Counts)
    figures: tuple[tuple[str, str], ...] = ()

    @property
    def good(self) -> bool:
        """Whether nothing failed."""
        return not self.broken and not self.counts.failed


def shell_scripts(checkout: Path) -> tuple[str, ...]:
    """Every file of the checkout that starts as a shell script; what programs keep in .venv, .git and *_cache is not ours."""
    found = []
    for folder, folders, files in os.walk(checkout):
        folders[:] = sorted(name for name in folders if name not in NOT_OURS and not name.endswith("_cache"))
        found += [str((Path(folder) / name).relative_to(checkout)) for name in sorted(files) if is_shell(Path(folder) / name)]
    return tuple(found)


def is_shell(file: Path) -> bool:
    """Whether a file's first line names a shell."""
    if not file.is_file():
        return False
    with file.open("rb") as stream:
        first = stream.readline(80)
    return first.startswith(b"#!") and first.split(b"/")[-1].split()[-1] in {b"sh", b"bash"}


def lint(checkout: Path) -> Part:
    """Style, types, YAML, shell, roles."""
    commands: tuple[tuple[str, ...], ...] = (
        (f"{BIN}/ruff", "check", "."),
        (f"{BIN}/ruff", "format", "--check", "--quiet", "."),
        (f"{BIN}/mypy",),
        (f"{BIN}/yamllint", "--strict", "."),
        (f"{BIN}/shellcheck", *shell_scripts(checkout)),
        (f"{BIN}/ansible-lint", "--offline", "-q"),
    )
    return Part(commands)


def parts(checkout: Path) -> dict[str, Part]:
    """Every part by name."""
    return {
        "lint": lint(checkout),
        "unit": Part(pytest=("tests/unit", "-m", "not long", "--numprocesses=auto")),
        "engine": Part(
            ((f"{BIN}/python", "-m", "tools", "install"),), ("tests/engine", "-m", "not long", "--numprocesses=auto", "--dist=loadfile")
        ),
        "nodes": Part(pytest=("tests/nodes", "-m", "not long")),
        "lab": Part(((f"{BIN}/lz", "lab", "up"),), ("tests/lab", "-m", "not long")),
        "life": Part(pytest=("tests/life", "-m", "not long")),
        "long": Part(((f"{BIN}/python", "-m", "tools", "install"), (f"{BIN}/lz", "lab", "up")), ("tests", "-m", "long")),
    }


def counted(report: Path) -> Counts:
    """The counts in a JUnit report."""
    total = Counts()
    for suite in ET.parse(report).iter("testsuite"):
        every, failed, errors, skipped = (int(suite.get(key, "0")) for key in ("tests", "failures", "errors", "skipped"))
        total += Counts(every - failed - errors - skipped, failed + errors, skipped)
    return total


def measured(report: Path) -> tuple[tuple[str, str], ...]:
    """What tests recorded as figures in a JUnit report, name and words; what plugins note of the whole suite is none."""
    entries = ET.parse(report).iterfind(".//testcase/properties/property")
    return tuple((str(entry.get("name")), str(entry.get("value"))) for entry in entries)


def run_part(name: str, part: Part, checkout: Path, said: IO[str] | None = None) -> Result:
    """Run one part to its end, whatever fails in it. said: a file for what it prints, in place of showing it."""
    began = time.monotonic()
    broken: list[str] = []

    def status_of(*command: str) -> int:
        return subprocess.run(command, cwd=checkout, check=False, stdout=said, stderr=said).returncode

    for command in part.commands:
        if status_of(*command):
            broken.append(" ".join(command[:3]))
    counts = Counts()
    figures: tuple[tuple[str, str], ...] = ()
    if part.pytest:
        with tempfile.TemporaryDirectory() as folder:
            report = Path(folder) / "report.xml"
            status = status_of(*PYTEST, *part.pytest, f"--junit-xml={report}", "-o", "junit_family=xunit1")
            if report.is_file():
                counts, figures = counted(report), measured(report)
        if status and not counts.failed:
            broken.append(f"pytest (exit status {status})")
    return Result(name, time.monotonic() - began, tuple(broken), counts, figures)


def run_together(chosen: Mapping[str, Part], checkout: Path) -> list[Result]:
    """Run parts side by side: the last shows what it prints at once, the others when all have ended."""
    *others, last = chosen
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(len(chosen)) as pool, contextlib.ExitStack() as open_files:
        said = {name: open_files.enter_context((Path(folder) / name).open("w+")) for name in others}
        print(f"\n----- {last}" + (f" (beside it, shown when all have ended: {' '.join(others)})" if others else ""), flush=True)
        running = [pool.submit(run_part, name, part, checkout, said.get(name)) for name, part in chosen.items()]
        results = [one.result() for one in running]
        for name, file in said.items():
            file.seek(0)
            print(f"\n----- {name}\n{file.read()}", flush=True)
    return results


def summary(results: Sequence[Result], seconds: float) -> str:
    """The last line: every test counted, and which parts are not good."""
    total = sum((result.counts for result in results), Counts())
    bad = [result.name for result in results if not result.good]
    words = [f"{total.failed} failed"] if total.failed else []
    words += [f"{total.passed} passed"]
    words += [f"{total.skipped} skipped"] if total.skipped else []
    words += [f"not good: {' '.join(bad)}"] if bad else []
    return f"===== {', '.join(words)} in {seconds:.2f}s ====="


def main(words: Sequence[str]) -> int:
    """Run the named parts in order, those in one word side by side, and return 0 when all are good."""
    known = parts(CHECKOUT)
    groups = [word.split("+") for word in words]
    unknown = [name for group in groups for name in group if name not in known]
    if unknown or not groups:
        sys.stderr.write(f"no such part: {' '.join(unknown) or '(none named)'}; there are: {' '.join(known)}\n")
        return 2
    began = time.monotonic()
    results = [result for group in groups for result in run_together({name: known[name] for name in group}, CHECKOUT)]
    took = time.monotonic() - began
    table = Table("part", "seconds", "passed", "failed", "skipped", "commands that failed")
    for result in results:
        counts = result.counts
        row = (f"{result.seconds:.1f}", str(counts.passed), str(counts.failed), str(counts.skipped), "; ".join(result.broken))
        table.add_row(result.name, *row)
    console = Console(width=None if sys.stdout.isatty() else 120)
    console.print()
    console.print(table)
    for name, words in (figure for result in results for figure in result.figures):
        print(f"{name}: {words}")
    print(summary(results, took), flush=True)
    return 0 if all(result.good for result in results) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
