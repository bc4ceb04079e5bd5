"""make help, and the runner behind make test."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from foundation.places import CHECKOUT
from tests import run
from tests.run import Counts, Part, Result

SUITE = """<testsuites><testsuite tests="5" failures="1" errors="1" skipped="1">
<properties><property name="statistics of a plugin" value="c29tZXRoaW5n"/></properties>
<testcase name="test_scores"><properties><property name="CIS level 1" value="12 of 13"/></properties></testcase>
</testsuite></testsuites>"""


def test_help_is_the_default_and_names_every_target() -> None:
    text = (CHECKOUT / "Makefile").read_text()
    phony = re.search(r"^\.PHONY: (.*)$", text, re.MULTILINE)
    assert phony
    shown = subprocess.run(["make"], cwd=CHECKOUT, capture_output=True, text=True, check=True, env={"PATH": "/usr/bin:/bin"}).stdout
    assert sorted(re.findall(r"^  make (\S+) +\S", shown, re.MULTILINE)) == sorted(phony[1].split())


def test_ci_takes_the_lab_down_and_then_tests() -> None:
    lines = (CHECKOUT / ".ci/run").read_text().splitlines()
    assert lines[-2:] == [".venv/bin/lz lab down --layers", "make test"]
    assert "set -euo pipefail" in lines


def test_reports_are_counted(tmp_path: Path) -> None:
    report = tmp_path / "report.xml"
    report.write_text(SUITE)
    assert run.counted(report) == Counts(passed=2, failed=2, skipped=1)


def test_what_tests_measured_is_told(tmp_path: Path) -> None:
    report = tmp_path / "report.xml"
    report.write_text(SUITE)
    assert run.measured(report) == (("CIS level 1", "12 of 13"),)


def test_every_command_of_a_part_is_run_though_one_fails(tmp_path: Path) -> None:
    result = run.run_part("lint", Part((("false",), ("touch", "ran"))), tmp_path)
    assert result.broken == ("false",)
    assert not result.good
    assert (tmp_path / "ran").exists()


def test_a_pytest_that_cannot_start_is_not_good(tmp_path: Path) -> None:
    (tmp_path / ".venv/bin").mkdir(parents=True)
    python = tmp_path / ".venv/bin/python"
    python.write_text("#!/bin/sh\nexit 4\n")
    python.chmod(0o755)
    result = run.run_part("unit", Part(pytest=("tests",)), tmp_path)
    assert result.broken == ("pytest (exit status 4)",)


@pytest.mark.parametrize(
    ("results", "line"),
    [
        ([Result("unit", 1.5, counts=Counts(3))], "===== 3 passed in 2.50s ====="),
        ([Result("lint", 1.0, ("ruff",)), Result("unit", 1.0, counts=Counts(3, 1, 2))],
         "===== 1 failed, 3 passed, 2 skipped, not good: lint unit in 2.50s ====="),
    ],
)  # fmt: skip
def test_the_last_line_counts_every_test(results: list[Result], line: str) -> None:
    assert run.summary(results, 2.5) == line


def test_the_time_of_each_part_is_told_and_the_counts_come_last(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    results = {"lint": Result("lint", 12.34, ("ruff check",)), "unit": Result("unit", 45.67, counts=Counts(1683, 0, 2))}
    monkeypatch.setattr(run, "run_part", lambda name, part, checkout, said: results[name])
    assert run.main(["lint", "unit"]) == 1
    lines = [line.replace("│", " ").split() for line in capsys.readouterr().out.splitlines() if line]
    assert ["lint", "12.3", "0", "0", "0", "ruff", "check"] in lines
    assert ["unit", "45.7", "1683", "0", "2"] in lines
    assert re.fullmatch(r"===== 1683 passed, 2 skipped, not good: lint in 0\.\d\ds =====", " ".join(lines[-1]))


def test_parts_side_by_side_show_each_its_own(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Each waits for the other's file, so one after the other they would never end."""
    wait = "touch $0; for i in $(seq 200); do [ -e $1 ] && exec echo $0 met $1; sleep 0.05; done; exit 1"
    chosen = {name: Part((("sh", "-c", wait, name, other),)) for name, other in (("a", "b"), ("b", "a"))}
    assert [(result.name, result.good) for result in run.run_together(chosen, tmp_path)] == [("a", True), ("b", True)]
    said = [line for line in capfd.readouterr().out.splitlines() if line]
    assert said == ["----- b (beside it, shown when all have ended: a)", "b met a", "----- a", "a met b"]


def test_make_test_runs_every_part_and_brings_the_lab_up_by_itself() -> None:
    command = ["make", "--dry-run", "--no-print-directory", "test"]  # below another make it would speak of folders
    planned = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, check=True).stdout
    names = re.split("[ +]", planned.splitlines()[-1].partition(" -m tests.run ")[2])
    known = run.parts(CHECKOUT)
    assert {*names, "long"} == set(known)
    assert names[-2:] == ["lab", "life"], "the last takes the lab away"
    assert known["lab"].commands[-1][-2:] == ("lab", "up")


@pytest.mark.parametrize("target", ["up", "test", "bench", "test-long"])
def test_whether_the_machine_is_fit_is_asked_before_anything_is_installed(target: str) -> None:
    command = ["make", "--dry-run", "--no-print-directory", target]
    planned = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, check=True).stdout
    first, second, *_ = [line for line in planned.splitlines() if "-m " in line]
    assert first.endswith("-m lab.requirements")
    assert second.endswith("-m tools.host")


def test_an_unknown_part_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert run.main(["nonsense"]) == 2
    assert "no such part: nonsense" in capsys.readouterr().err


def test_shell_scripts_are_known_by_their_first_line(tmp_path: Path) -> None:
    texts = {"a": "#!/bin/sh\n", "sub/b": "#!/usr/bin/env bash\n", "c": "#!/usr/bin/python3\n", "d": "sh\n", ".venv/e": "#!/bin/sh\n"}
    for name, text in texts.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    assert run.shell_scripts(tmp_path) == ("a", "sub/b")
    assert not run.is_shell(tmp_path / "absent")
