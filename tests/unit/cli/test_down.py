"""`lz down` and what is not only ours: data goes by its name, what others made goes when somebody says so, and nothing before."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import typer

from foundation.errors import InputError
from landing_zone.cli.changes import agree_others, data_that_goes
from landing_zone.drift.facts import Fact
from landing_zone.drift.others import Others
from landing_zone.engine.stack import StackKey

KEY = StackKey("lab", "north", "tenant-edu")
URN = "urn:pulumi:lab.north.tenant-edu::landing-zone::openstack:blockstorage/volume:Volume::books"
THEIRS = Others("north", (Fact("volume", "old papers", "", {}, "v1"), Fact("port", "p", "", {}, "p1")))


def run(*resources: dict[str, Any]) -> Any:
    return SimpleNamespace(stacks=SimpleNamespace(resources=lambda _: list(resources)))


OURS = run({"urn": URN, "id": "v0", "protect": True}, {"urn": f"{URN}-2", "id": "v2"})


def test_everything_that_holds_data_has_to_be_named_and_all_of_it_is_told_at_once() -> None:
    with pytest.raises(InputError) as caught:
        data_that_goes(OURS, [KEY], [THEIRS], ())
    assert [problem.what for problem in caught.value.problems] == ["books holds data", "old papers holds data"]
    assert "--yes-delete-data 'old papers'" in caught.value.problems[1].cure


@pytest.mark.parametrize("named", [["books", "old papers"], ["v0", "v1"]])
def test_what_is_named_or_known_by_its_id_goes(named: list[str]) -> None:
    assert data_that_goes(OURS, [KEY], [THEIRS], named) == {KEY: [URN]}


def test_naming_one_does_not_let_another_go() -> None:
    with pytest.raises(InputError, match="old papers"):
        data_that_goes(OURS, [KEY], [THEIRS], ["books"])


def test_without_anybody_to_ask_what_others_made_stays_and_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin.isatty", lambda: False)
    with pytest.raises(InputError) as caught:
        agree_others([THEIRS], yes=False, quiet=False)
    assert [problem.what for problem in caught.value.problems][:2] == [
        "volume old papers was made by somebody else",
        "port p was made by somebody else",
    ]
    assert "--yes-delete-others" in caught.value.problems[-1].cure
    agree_others([THEIRS], yes=True, quiet=False)
    agree_others([Others("north", ())], yes=False, quiet=False)


@pytest.mark.parametrize("answer", [True, False])
def test_on_a_terminal_it_is_shown_and_asked(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], answer: bool) -> None:
    monkeypatch.setattr("sys.stdin.isatty", lambda: True)
    monkeypatch.setattr("typer.confirm", lambda *_, **__: answer)
    if answer:
        agree_others([THEIRS], yes=False, quiet=False)
    else:
        with pytest.raises(typer.Exit):
            agree_others([THEIRS], yes=False, quiet=False)
    assert "volume old papers" in capsys.readouterr().out
