"""The command line: one block for every error, exit codes as documented, JSON where asked for, help with examples."""

from __future__ import annotations

import errno
import io
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from foundation.errors import DEBUG, FAULT, INTERRUPTED, BusyError, InputError, LzError, Problem
from foundation.lock import exclusive
from foundation.places import CHECKOUT
from foundation.shell import callable_here
from landing_zone import model
from landing_zone.cli import main, output
from landing_zone.cli.answers import TENANT_FORM
from landing_zone.cli.app import COMMANDS, EXIT_CODES, load
from landing_zone.cli.changes import agree
from landing_zone.cli.proving import EXIT
from landing_zone.engine import checkpoints, doubts
from landing_zone.engine.home import Home
from landing_zone.engine.opening import Asked, Refused, load_plan, open_offline
from landing_zone.engine.runs import Selection
from landing_zone.engine.stack import Outcome, StackKey, forget_variables
from landing_zone.engine.stores.folder import Folder
from landing_zone.model import load as load_file
from landing_zone.preflight import Finding
from landing_zone.proof.results import Result, Verdict
from tests.support.command import LZ
from tests.support.disk import short_of_room
from tests.unit.cli.support import commands, options_of

HEAVY = ["openstack", "pulumi_openstack", "stacks.programs"]


def raising(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> None:
    def broken(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr("landing_zone.cli.reading.open_offline", broken)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (LzError("failed"), 1),
        (InputError(Problem("not fit", "here", "because", "do this")), 2),
        (BusyError("busy"), 3),
        (OSError(errno.ENOSPC, "No space left on device", "/a/file"), 1),
        (ValueError("a bug"), FAULT),
        (KeyboardInterrupt(), INTERRUPTED),
    ],
)
def test_exit_codes_are_the_documented_ones_and_there_is_no_traceback(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], error: BaseException, code: int
) -> None:
    raising(monkeypatch, error)
    assert main(["status"]) == code
    assert re.search(rf"\b{code}\b", EXIT_CODES)
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith("error: ")
    assert "Traceback" not in said.err


def test_a_problem_is_one_block(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    raising(monkeypatch, InputError(Problem("not fit", "here\nand there", "because", "do this")))
    main(["status"])
    assert capsys.readouterr().err == ("error: not fit\n  where: here\n         and there\n  why:   because\n  cure:  do this\n")


def test_a_word_between_colons_is_no_picture(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Rich makes a cloud of `:cloud:`, unless it is told not to."""
    raising(monkeypatch, InputError(Problem("a:cloud:b", "c:key:d", "e:lock:f", "g:link:h")))
    main(["status"])
    output.warn(Problem("a:cloud:b"))
    output.table(["a:cloud:b"], [["c:key:d"]])
    output.out.print("e:lock:f", markup=False)
    said = capsys.readouterr()
    assert said.err == "error: a:cloud:b\n  where: c:key:d\n  why:   e:lock:f\n  cure:  g:link:h\nwarning: a:cloud:b\n"
    assert said.out.split() == ["a:cloud:b", "c:key:d", "e:lock:f"]


def test_a_full_disk_is_told_as_such(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    raising(monkeypatch, OSError(errno.ENOSPC, "No space left on device", "/a/file"))
    main(["status"])
    said = capsys.readouterr().err
    assert said.startswith("error: no space is left on the disk\n  where: /a/file\n  cure:  free some")


@pytest.mark.parametrize("words", [["status", "--debug"], ["--debug", "status"]])
def test_debug_shows_the_traceback(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], words: list[str]) -> None:
    raising(monkeypatch, ValueError("a bug"))
    assert main(words) == FAULT
    assert "Traceback" in capsys.readouterr().err


def test_so_does_the_variable_since_make_takes_no_flags(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    raising(monkeypatch, ValueError("a bug"))
    monkeypatch.setenv(DEBUG, "1")
    assert main(["status"]) == FAULT
    assert "Traceback" in capsys.readouterr().err


def test_what_stands_behind_two_dashes_is_not_ours(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    heard: list[list[str]] = []

    def broken(words: list[str], **_: object) -> None:
        heard.append(words)
        raise ValueError("a bug")

    monkeypatch.setattr("landing_zone.cli.app.app", broken)
    there = ["--", "tool", "--debug", "--json", "--", "--debug"]
    assert main(["ssh", "host", *there]) == FAULT
    said = capsys.readouterr()
    assert (said.out, "Traceback" in said.err) == ("", False)
    assert main(["--debug", "ssh", "host", *there]) == FAULT
    assert "Traceback" in capsys.readouterr().err
    assert heard == [["ssh", "host", *there]] * 2


def test_problems_come_as_json_where_asked_for(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    raising(monkeypatch, InputError(Problem("not fit", "here", "because", "do this"), Problem("second")))
    assert main(["status", "--json"]) == 2
    problems = json.loads(capsys.readouterr().out)["problems"]
    assert problems[0] == {"what": "not fit", "where": "here", "why": "because", "cure": "do this"}
    assert len(problems) == 2


@pytest.mark.parametrize("words", [["nonsense"], ["up", "--nonsense"], ["up", "--parallel", "0"]])
def test_usage_errors_are_bad_input(capsys: pytest.CaptureFixture[str], words: list[str]) -> None:
    assert main(words) == 2
    assert "Usage" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "said"),
    [(["nonsense"], "nonsense"), (["up", "--nonsense"], "--nonsense"), (["up", "--parallel", "0"], "--parallel"), (["env"], "--json")],
)
def test_usage_errors_come_as_json_where_asked_for(capsys: pytest.CaptureFixture[str], words: list[str], said: str) -> None:
    assert main([*words, "--json"]) == 2
    told = capsys.readouterr()
    (problem,) = json.loads(told.out)["problems"]
    assert said in problem["what"]
    assert "--help" in problem["cure"]
    assert "Usage" in told.err


def test_unknown_environment_names_those_that_there_are(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plan", "--env", "nowhere"]) == 2
    said = capsys.readouterr().err
    assert "there is no environment 'nowhere'" in said
    assert "lab" in said


@pytest.mark.parametrize("words", [["image", "verify", "--region"], ["state", "restore", "--from"], ["status", "--region"]])
def test_unknown_region_names_those_that_there_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], words: list[str]
) -> None:
    monkeypatch.setenv("LZ_CACHE", str(tmp_path))
    assert main([*words, "nowhere", "--env", "lab"]) == 2
    said = capsys.readouterr().err
    assert "there is no region 'nowhere' in environment 'lab'" in said
    assert "one of: north, south" in said


@pytest.mark.parametrize("name", commands())
def test_every_command_has_help_with_an_example_of_its_own(capsys: pytest.CaptureFixture[str], name: str) -> None:
    assert main([*name.split(), "--help"]) == 0
    said = capsys.readouterr().out
    assert re.search(rf"^ +(eval \"\$\()?lz {name}\b", said, re.MULTILINE), said


# What they print is for a shell or another program as it is, or is what that program says.
AS_THEY_ARE = {"env", "ssh", "lab env", "lab logs", "lab console"}


@pytest.mark.parametrize("name", commands())
def test_every_command_that_tells_something_tells_it_as_json_where_asked_for(name: str) -> None:
    assert ("--json" in options_of(name)) == (name not in AS_THEY_ARE)


PARTS = ["preflight", "plan", "up", "verify", "drift", "status", "inventory", "down", "state backup", "state doctor"]
WHOLE = {"state backup": {"--layer", "--tenant"}}  # a copy is of a whole region (decision 51)


@pytest.mark.parametrize("name", PARTS)
def test_every_command_on_the_landing_zone_takes_a_part_of_it(name: str) -> None:
    assert {"--env", "--region", "--layer", "--tenant"} - options_of(name) == WHOLE.get(name, set())


OFFERED = {"bash": r"^(\S+)$", "zsh": r'\("([^"]+)":', "fish": r"^(\S+)\t"}  # where a word stands in what the shell is told


@pytest.mark.parametrize(
    ("shell", "typed", "offered"),
    [
        ("bash", "pre", {"preflight"}),
        ("bash", "lab re", {"reset"}),
        ("bash", "up --ten", {"--tenant"}),
        ("zsh", "lab re", {"reset"}),
        ("fish", "lab re", {"reset"}),
    ],
)
def test_the_shell_completes_what_is_typed(shell: str, typed: str, offered: set[str]) -> None:
    """As the lines of `lz --show-completion` ask for it."""
    words = f"lz {typed}"
    asked = {"_LZ_COMPLETE": f"complete_{shell}"}
    if shell == "bash":
        asked |= {"COMP_WORDS": words, "COMP_CWORD": str(words.count(" "))}
    else:
        asked |= {"_TYPER_COMPLETE_ARGS": words, "_TYPER_COMPLETE_FISH_ACTION": "get-args"}
    done = subprocess.run([LZ], check=False, capture_output=True, text=True, env={**os.environ, **asked})
    assert set(re.findall(OFFERED[shell], done.stdout, re.MULTILINE)) == offered, done.stdout + done.stderr


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_every_command_of_the_table_is_there_under_its_name(name: str) -> None:
    assert load(name).name == name


@pytest.mark.parametrize("words", [["--help"], ["--version"]])
def test_help_and_version_import_no_engine_and_no_cloud(words: list[str]) -> None:
    script = f"import sys; from landing_zone.cli import main; code = main({words}); sys.exit(code or any(map(sys.modules.get, HEAVY)))"
    done = subprocess.run([sys.executable, "-c", f"HEAVY = {HEAVY}; {script}"], check=False, capture_output=True, text=True, cwd=CHECKOUT)
    assert done.returncode == 0, done.stdout + done.stderr
    assert ("Commands" in done.stdout) == (words == ["--help"])


def test_planning_does_not_import_the_programs() -> None:
    script = f"import sys, landing_zone.cli.changes; sys.exit(any(map(sys.modules.get, {HEAVY[1:]})))"
    assert subprocess.run([sys.executable, "-c", script], check=False, cwd=CHECKOUT).returncode == 0


def test_exit_codes_of_a_proof() -> None:
    assert EXIT == {Verdict.PASS: 0, Verdict.FAIL: 4, Verdict.UNKNOWN: 5}


def test_there_is_nobody_to_ask(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin.isatty", lambda: False)
    agree("really?", yes=True)
    with pytest.raises(InputError, match="nobody to ask"):
        agree("really?", yes=False)


def test_table_of_a_run(capsys: pytest.CaptureFixture[str]) -> None:
    done = Outcome(StackKey("lab", "north", "network"), "up", {"create": 12, "same": 3}, (), True, 15, 7.25)
    output.outcomes([done])
    head, row = capsys.readouterr().out.splitlines()
    assert head.split() == ["region", "layer", "resources", "changes", "seconds"]
    assert row.split() == ["north", "network", "15", "12", "created,", "3", "unchanged", "7.2"]
    assert output.changes(done, future=True) == "12 to create, 3 unchanged"


def test_a_stack_that_was_not_looked_at_is_unchanged(capsys: pytest.CaptureFixture[str]) -> None:
    output.outcomes([Outcome(StackKey("lab", "north", "network"), "skip", {"same": 15}, (), False, 15, 0.0)], future=True)
    assert capsys.readouterr().out.splitlines()[1].split() == ["north", "network", "15", "unchanged", "0.0"]


def test_what_did_not_pass_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    found = [Result("NET-02", "north", f"check {verdict.name}", verdict, "[seen]") for verdict in Verdict]
    output.results(found)
    said = capsys.readouterr().out
    assert "check FAIL" in said
    assert "check UNKNOWN" in said
    assert "check PASS" not in said
    assert "1 pass, 1 could not be evaluated, 1 fail" in said
    assert "[seen]" in said


def test_next_steps_are_callable_from_where_one_stands(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("shutil.which", lambda _: None)
    monkeypatch.setattr("sys.executable", str(tmp_path / ".venv/bin/python"))
    monkeypatch.chdir(tmp_path)
    assert callable_here("lz up --env lab") == ".venv/bin/lz up --env lab"
    assert callable_here('eval "$(lz env --env lab)" && openstack x') == 'eval "$(.venv/bin/lz env --env lab)" && openstack x'
    assert callable_here("ssh -F /lz/config x") == "ssh -F /lz/config x"
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert callable_here("lz up") == f"{tmp_path}/.venv/bin/lz up"


@pytest.fixture
def checkout(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A checkout with a virtual environment, which one stands in; `lz` finds the one that mtools brings."""
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.setattr("shutil.which", lambda _: str(tmp_path / "elsewhere/lz"))
    monkeypatch.setattr("sys.executable", str(tmp_path / ".venv/bin/python"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("cure", "told"),
    [
        ("lz up --env lab, then again", ".venv/bin/lz up --env lab, then again"),
        ("run `lz lab down`, then `lz lab up`", "run `.venv/bin/lz lab down`, then `.venv/bin/lz lab up`"),
        ("is it healthy (the lab: lz lab doctor)?", "is it healthy (the lab: .venv/bin/lz lab doctor)?"),
    ],
)
def test_cures_are_callable_where_lz_is_another_program(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], checkout: Path, cure: str, told: str
) -> None:
    raising(monkeypatch, LzError(Problem("it broke", cure=cure)))
    assert main(["status"]) == 1
    assert capsys.readouterr().err == f"error: it broke\n  cure:  {told}\n"
    output.warn(Problem("it broke", cure=cure))
    assert capsys.readouterr().err == f"warning: it broke\n  cure:  {told}\n"
    monkeypatch.setattr("shutil.which", lambda _: str(checkout / ".venv/bin/lz"))
    main(["status"])
    assert capsys.readouterr().err == f"error: it broke\n  cure:  {cure}\n"


def test_an_error_is_told_in_a_folder_that_is_gone(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], checkout: Path
) -> None:
    monkeypatch.chdir(checkout / "elsewhere")
    (checkout / "elsewhere").rmdir()
    raising(monkeypatch, LzError(Problem("it broke", cure="lz up")))
    assert main(["status"]) == 1
    assert capsys.readouterr().err == f"error: it broke\n  cure:  {checkout}/.venv/bin/lz up\n"


@pytest.mark.parametrize("command", ["preflight", "up"])
def test_what_is_wrong_elsewhere_is_told_when_one_region_cannot_be_asked(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path, command: str
) -> None:
    def opened(asked: Asked, *_: Any) -> Any:
        if asked.regions != ("south",):
            raise Refused([Problem("wrong password", "cloud lab-north", cure="the right one")], ["south"])
        return "south", Selection()

    found = Finding("south", "flavors", Verdict.FAIL, (Problem("no flavor", cure="have it made"),))
    monkeypatch.setenv("LZ_CACHE", str(tmp_path))
    for module in ("cli.reading", "preflight", "engine.opening"):
        monkeypatch.setattr(f"landing_zone.{module}.open_run", opened)
    monkeypatch.setattr("landing_zone.preflight.examine", lambda run, chosen: [found])
    assert main([command, "--env", "lab", "--json"]) == 2
    assert [each["what"] for each in json.loads(capsys.readouterr().out)["problems"]] == ["wrong password", "no flavor"]


ANSWERS = [
    "--code",
    "pilot",
    "--name-en",
    "Pilot",
    "--name-vi",
    "Thí điểm",
    "--class",
    "agency",
    "--level",
    "1",
    "--email",
    "o@pilot.example",
]
REGION = ["--region", "north:lab-north:Hanoi:21.03:105.85"]


def test_init_writes_a_file_that_loads_and_never_writes_over_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["init", *ANSWERS, *REGION, "--tenant", "edu:P.EDU:Sở Giáo dục:Department of Education", "--folder", str(tmp_path)]
    assert main(words) == 0
    assert "pilot.yaml" in capsys.readouterr().out
    before = (tmp_path / "pilot.yaml").read_text()
    assert main(words) == 2
    assert (tmp_path / "pilot.yaml").read_text() == before


def test_init_writes_an_environment_of_another_country(tmp_path: Path) -> None:
    assert main(["init", *ANSWERS, *REGION, "--country", "SG", "--folder", str(tmp_path)]) == 0
    written = model.load(tmp_path / "pilot.yaml")
    assert (written.country, [region.country for region in written.regions]) == ("SG", ["SG"])


def test_editors_find_the_schema_of_a_file_in_another_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "link").symlink_to(tmp_path, target_is_directory=True)
    for folder in (str(tmp_path), ".", "link"):
        monkeypatch.chdir(tmp_path)
        assert main(["init", *ANSWERS, *REGION, "--folder", folder]) == 0
        head = (tmp_path / "pilot.yaml").read_text().splitlines()[0]
        assert (tmp_path / head.partition("$schema=")[2]).resolve() == CHECKOUT / "environments/schema/environment.json"
        (tmp_path / "pilot.yaml").unlink()


def test_what_init_wrote_comes_as_json_where_asked_for(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["init", *ANSWERS, *REGION, "--folder", str(tmp_path), "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"written": [str(tmp_path / "pilot.yaml")]}


def test_init_leaves_no_torn_file_on_a_full_disk(tmp_path: Path) -> None:
    words = ["init", *ANSWERS, *REGION, "--folder", str(tmp_path)]
    with short_of_room(1000):
        assert main(words) != 0
    assert list(tmp_path.iterdir()) == []
    assert main(words) == 0
    assert (tmp_path / "pilot.yaml").stat().st_mode & 0o777 == 0o644


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def answers(monkeypatch: pytest.MonkeyPatch, *lines: str) -> None:
    """Somebody at a terminal who answers so."""
    monkeypatch.setattr("sys.stdin", Terminal("".join(f"{line}\n" for line in lines)))


def test_init_asks_on_a_terminal_for_what_no_flag_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    answers(monkeypatch, *ANSWERS[1::2], REGION[1], "")
    assert main(["init", "--folder", str(tmp_path)]) == 0
    assert sys.stdin.read() == ""
    by_questions = (tmp_path / "pilot.yaml").read_text()
    (tmp_path / "pilot.yaml").unlink()
    answers(monkeypatch, "")
    assert main(["init", *ANSWERS, *REGION, "--folder", str(tmp_path)]) == 0
    assert (tmp_path / "pilot.yaml").read_text() == by_questions


def test_init_asks_nothing_more_when_the_file_is_there_already(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "pilot.yaml").touch()
    answers(monkeypatch, "pilot", "Pilot")
    assert main(["init", "--folder", str(tmp_path)]) == 2
    assert sys.stdin.read() == "Pilot\n"
    assert "there is such a file already" in capsys.readouterr().err


TENANTS = ["edu:P.EDU:Sở Giáo dục:Department of Education", "health:P.HLT:Sở Y tế:Department of Health"]
PAIR = [REGION[1], "south:lab-south:Can Tho:10.05:105.75"]


@pytest.mark.parametrize("level", range(1, 6))
def test_init_asks_for_as_many_regions_as_the_level_wants_and_for_tenants_until_there_is_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], level: int
) -> None:
    regions = PAIR if level >= 3 else PAIR[:1]
    answers(monkeypatch, *[str(level) if word == "1" else word for word in ANSWERS[1::2]], *regions, *TENANTS, "")
    assert main(["init", "--folder", str(tmp_path)]) == 0
    assert sys.stdin.read() == ""
    assert ("Secondary region as" in capsys.readouterr().err) == (level >= 3)
    made = load_file(tmp_path / "pilot.yaml")
    assert [region.name for region in made.regions] == ["north", "south"][: len(regions)]
    assert [tenant.code for tenant in made.tenants] == ["edu", "health"]
    assert [path.name for path in tmp_path.iterdir()] == ["pilot.yaml"]


def test_answers_that_make_no_environment_are_kept_where_the_error_says(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["init", *ANSWERS, "--level", "3", "--folder", str(tmp_path)]
    assert main([*words, *REGION]) == 2
    said = capsys.readouterr().err
    assert "asks for a second region" in said
    kept = tmp_path / "pilot.yaml.rejected"
    assert "Thí điểm" in kept.read_text()
    assert said.count(str(kept)) == 2
    assert {Path(place.partition(":")[0]) for place in re.findall(r"where: (\S+)", said)} == {kept}
    assert main([*words, "--region", PAIR[0], "--region", PAIR[1]]) == 0
    assert [path.name for path in tmp_path.iterdir()] == ["pilot.yaml"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([*ANSWERS[2:], *REGION], "--code is missing"),
        ([*ANSWERS, "--region", "north"], "does not describe a region"),
        ([*ANSWERS, *REGION, "--tenant", "edu"], TENANT_FORM),
        ([*ANSWERS, *REGION, "--class", "royal"], "is no class of environments"),
        ([*ANSWERS, *REGION, "--code", "Pilot cloud"], "'Pilot cloud' is no short name"),
        ([*ANSWERS, *REGION, "--country", "Singapore"], "'Singapore' is no country"),
        ([*ANSWERS, *REGION, *REGION, *REGION], "a new file has one, or a pair"),
    ],
)
def test_init_refuses_answers_that_say_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str], words: list[str], said: str) -> None:
    assert main(["init", *words, "--folder", str(tmp_path)]) == 2
    assert said in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("code", ["../x", "/tmp/x", "x\n", ""])
def test_init_writes_nowhere_but_in_its_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], code: str
) -> None:
    monkeypatch.setattr("foundation.files.replace", lambda path, *_: pytest.fail(f"it wrote {path}"))
    assert main(["init", *ANSWERS, *REGION, "--code", code, "--folder", str(tmp_path)]) == 2
    assert "is no short name of an environment" in capsys.readouterr().err


def test_init_asks_again_after_an_answer_that_says_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nobody types eight answers anew for the ninth."""
    code, *names, klass, level, email = ANSWERS[1::2]
    wrong = ["Pilot cloud", "royal", "two", "0", "6", "-1", "2.5", "o@pilot", "north", "north:lab-north:Hanoi:21.03:north", "edu"]
    typed = [
        wrong[0],
        code,
        *names,
        wrong[1],
        klass,
        *wrong[2:7],
        level,
        wrong[7],
        email,
        *wrong[8:10],
        REGION[1],
        wrong[10],
        TENANTS[0],
        "",
    ]
    answers(monkeypatch, *typed)
    assert main(["init", "--folder", str(tmp_path)]) == 0
    assert sys.stdin.read() == ""
    said = capsys.readouterr().err
    assert [each for each in wrong if repr(each) not in said] == []
    assert "LONGITUDE: Input should be a valid number" in said
    assert "cure:  a number from 1 to 5" in said
    made = load_file(tmp_path / "pilot.yaml")
    assert (made.level, made.regions[0].name, [tenant.code for tenant in made.tenants]) == (1, "north", ["edu"])


@pytest.mark.parametrize("terminal", [False, True])
def test_init_tells_all_that_is_wrong_in_flags_at_once_before_it_asks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], terminal: bool
) -> None:
    monkeypatch.setattr("sys.stdin.isatty", lambda: terminal)
    monkeypatch.setattr("typer.prompt", lambda *_, **__: pytest.fail("it asked"))
    (tmp_path / "pilot.yaml").touch()
    flags = [
        "--code",
        "pilot",
        "--name-vi",
        "",
        "--class",
        "royal",
        "--email",
        "o@pilot",
        "--region",
        "North::Hanoi:91:x",
        "--tenant",
        "edu",
    ]
    assert main(["init", *flags, "--folder", str(tmp_path), "--json"]) == 2
    problems = json.loads(capsys.readouterr().out)["problems"]
    wrong = ["'' is no name", "'royal' is no class", "'o@pilot' is no mail", "does not describe a region", "does not describe a tenant"]
    lacking = [] if terminal else ["--name-en is missing", "--level is missing"]
    told = [*lacking, *wrong, "there is such a file already"]
    assert [(what, each["what"]) for what, each in zip(told, problems, strict=True) if what not in each["what"]] == []
    region = next(each["why"] for each in problems if "a region" in each["what"])
    assert [line.partition(":")[0] for line in region.splitlines()] == ["NAME", "CLOUD", "LATITUDE", "LONGITUDE"]


@pytest.mark.parametrize("name", ["missing", "a-file"])
def test_init_refuses_a_folder_that_there_is_not_before_it_asks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    (tmp_path / "a-file").touch()
    monkeypatch.setattr("sys.stdin.isatty", lambda: True)
    monkeypatch.setattr("typer.prompt", lambda *_, **__: pytest.fail("it asked"))
    assert main(["init", "--folder", str(tmp_path / name)]) == 2
    said = capsys.readouterr().err
    assert "there is no such folder" in said
    assert f"where: {tmp_path / name}\n" in said
    assert "cure:  make it" in said
    assert [path.name for path in tmp_path.iterdir()] == ["a-file"]


def test_pictures_are_drawn_without_a_cloud(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OS_CLIENT_CONFIG_FILE", "/nowhere/clouds.yaml")
    assert main(["plan", "--env", "lab", "--diagram", str(tmp_path / "pictures")]) == 0
    assert sorted(path.name for path in (tmp_path / "pictures").iterdir()) == ["lab.csv", "lab.html", "lab.md", "lab.svg"]


def test_what_was_drawn_comes_as_json_where_asked_for(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plan", "--env", "lab", "--diagram", str(tmp_path), "--json"]) == 0
    written = json.loads(capsys.readouterr().out)["written"]
    assert sorted(written) == sorted(str(path) for path in tmp_path.iterdir())


def test_pictures_are_not_drawn_into_a_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "a-file").touch()
    assert main(["plan", "--env", "lab", "--diagram", str(tmp_path / "a-file")]) == 2
    assert "is a file" in capsys.readouterr().err


@pytest.mark.parametrize("behind", ["", "@lab"])
def test_the_lines_of_env_are_good_in_every_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], behind: str
) -> None:
    """Plain `pulumi` runs a program in the folder `stacks`."""
    planned, _, _ = open_offline(Asked("lab"))
    stacks = SimpleNamespace(settings={"PATH": "/bin"}, home=Home(tmp_path / "home"))
    monkeypatch.setattr("landing_zone.cli.reading.open_offline", lambda _: (planned, Selection(), stacks))
    monkeypatch.setattr("landing_zone.engine.clouds.use", lambda _: {})
    for name in ("OS_CLIENT_CONFIG_FILE", "NO_PROXY", "no_proxy"):
        monkeypatch.setenv(name, "as it is")
    monkeypatch.chdir(tmp_path)
    for asked, said in ((f"mine.yaml{behind}", f"{tmp_path}/mine.yaml{behind}"), (f"lab{behind}", f"lab{behind}")):
        assert main(["env", "--env", asked]) == 0
        lines = capsys.readouterr().out
        assert f"export LZ_ENV={said}\n" in lines
        assert f"export KUBECONFIG={tmp_path}/home/kubeconfig\n" in lines  # the environment's own, not the cluster of the shell


def test_a_second_run_on_the_same_environment_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("LZ_CACHE", str(tmp_path))
    with exclusive(Home.of("lab").lock, "a run on environment lab"):
        assert main(["plan", "--env", "lab"]) == 3
    assert "a run on environment lab is already under way" in capsys.readouterr().err


def test_settings_of_the_shell_do_not_mix_with_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OS_PASSWORD", "OS_CLOUD", "PULUMI_CONFIG_PASSPHRASE", "OS_CLIENT_CONFIG_FILE"):
        monkeypatch.setenv(name, "of the shell")
    forget_variables()
    assert [name for name in os.environ if name.startswith(("OS_", "PULUMI_"))] == ["OS_CLIENT_CONFIG_FILE"]


def test_status_of_an_environment_that_was_only_looked_at(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("LZ_CACHE", str(tmp_path))
    assert main(["status", "--env", "lab", "--region", "north", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert {row["state"] for row in rows} == {"not made"}
    assert [row["layer"] for row in rows][:2] == ["identity", "network"]
    assert main(["status", "--env", "lab", "--region", "north", "--tenant", "edu", "--layer", "network", "--json"]) == 0
    assert [row["layer"] for row in json.loads(capsys.readouterr().out)] == ["network", "tenant-edu"]


def test_status_of_probes_that_were_kept_does_not_call_them_unplanned(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("LZ_CACHE", str(tmp_path))
    for layer in ("probes", "tenant-gone"):
        content = {"version": 3, "checkpoint": {"latest": {"resources": [{"type": "pulumi:pulumi:Stack"}]}}}
        Folder(Home.of("lab").backend).write(checkpoints.checkpoint(f"lab.north.{layer}"), json.dumps(content).encode())
    assert main(["status", "--env", "lab", "--region", "north", "--json"]) == 0
    rows = {row["layer"]: row["state"] for row in json.loads(capsys.readouterr().out)}
    assert (rows["probes"], rows["tenant-gone"], rows["identity"]) == ("stands", "stands, not planned", "not made")


def test_status_tells_of_stacks_that_a_run_left_unfinished(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Also of what failed without an answer, which no state has a note of."""
    monkeypatch.setenv("LZ_CACHE", str(tmp_path))
    content = {"version": 3, "checkpoint": {"latest": {"pending_operations": [{}]}}}
    Folder(Home.of("lab").backend).write(checkpoints.checkpoint("lab.north.identity"), json.dumps(content).encode())
    doubts.keep(Home.of("lab"), "lab.north.network", [doubts.Doubt("urn", "", {})])
    assert main(["status", "--env", "lab", "--region", "north", "--json"]) == 0
    rows = {row["layer"]: row["state"] for row in json.loads(capsys.readouterr().out)}
    assert (rows["identity"], rows["network"], rows["access"]) == ("interrupted", "interrupted", "not made")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--from", "south", "--region", "south"], "say --from north"),
        (["--from", "south", "--region", "south", "--region", "north"], "no copies of region south lie in region south"),
    ],
)
def test_a_region_is_not_put_back_from_where_its_copies_are_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], words: list[str], said: str
) -> None:
    monkeypatch.setenv("LZ_CACHE", str(tmp_path))
    monkeypatch.setattr("landing_zone.cli.state.reach", lambda *_: pytest.fail("a cloud was asked"))
    assert main(["state", "restore", "--env", "lab", *words, "--yes"]) == 2
    assert said in capsys.readouterr().err


@pytest.mark.parametrize("text", ["", "{", "[]", '{"checkpoint": {"latest": {"resources": 1}}}'])
def test_status_shows_the_other_stacks_beside_a_damaged_state(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], text: str
) -> None:
    monkeypatch.setenv("LZ_CACHE", str(tmp_path))
    asked = ["status", "--env", "lab", "--region", "north"]
    assert main([*asked, "--json"]) == 0
    whole = json.loads(capsys.readouterr().out)
    for name in ("lab.north.network", "lab.north.former"):
        place = Home.of("lab").backend / checkpoints.checkpoint(name)
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text)
    assert main([*asked, "--json"]) == 1
    *planned, former = json.loads(capsys.readouterr().out)
    assert planned == [{**row, "state": "damaged"} if row["layer"] == "network" else row for row in whole]
    assert (former["stack"], former["state"], former["resources"]) == ("lab.north.former", "damaged, not planned", 0)
    assert main(asked) == 1
    said = capsys.readouterr()
    assert len(said.out.splitlines()) == len(whole) + 2
    for name in ("lab.north.network", "lab.north.former"):
        assert f"error: the state of {name} is damaged" in said.err
    assert "lz state doctor --env lab" in said.err


def test_status_does_not_take_a_store_that_is_silent_for_damage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def silent(*_: object) -> None:
        raise LzError("the store of the state does not answer")

    monkeypatch.setenv("LZ_CACHE", str(tmp_path))
    monkeypatch.setattr("landing_zone.engine.stores.folder.Folder.read", silent)
    assert main(["status", "--env", "lab", "--region", "north"]) == 1
    said = capsys.readouterr()
    assert (said.out, said.err) == ("", "error: the store of the state does not answer\n")


@pytest.mark.parametrize(("path", "env"), [(True, "lab"), (False, "ministry-agc@lab")])
def test_the_cure_of_a_damaged_state_names_the_environment_as_it_was_called(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], path: bool, env: str
) -> None:
    """Its file need not have the name of its code; and behind `@lab` is another cloud."""
    monkeypatch.setenv("LZ_CACHE", str(tmp_path))
    if path:
        env = str(shutil.copy(CHECKOUT / "environments/lab.yaml", tmp_path / "mine.yaml"))
    planned = load_plan(env)
    place = Home.of(planned.home).backend / checkpoints.checkpoint(f"{planned.code}.north.network")
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text("{")
    assert main(["status", "--env", env, "--layer", "network"]) == 1
    assert f"lz state doctor --env {env} says" in capsys.readouterr().err


def test_a_tenant_that_left_the_file_while_its_stack_stands_may_be_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("LZ_CACHE", str(tmp_path))
    store = open_offline(Asked("lab"))[2].store
    store.write(checkpoints.checkpoint("lab.north.tenant-gone"), checkpoints.empty("lab.north.tenant-gone"))
    assert main(["status", "--env", "lab", "--tenant", "gone", "--json"]) == 0
    assert [row["stack"] for row in json.loads(capsys.readouterr().out)] == ["lab.north.tenant-gone"]
    assert main(["inventory", "--env", "lab", "--tenant", "gone"]) == 2
    assert "no tenant 'gone'" in capsys.readouterr().err
