"""`lz up` keeps the ledger of what it gives out, and a rehearsal gives out nothing; before it applies, it tells every problem at once."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from foundation.errors import BusyError, LzError, Problem
from foundation.progress import Progress
from landing_zone import preflight
from landing_zone.cli import changes
from landing_zone.cli.board import Board
from landing_zone.engine import sweep
from landing_zone.engine.home import Home
from landing_zone.engine.opening import Asked
from landing_zone.engine.runs import Selection
from landing_zone.engine.stack import Outcome, StackKey
from landing_zone.preflight import Finding
from landing_zone.proof.results import Verdict


@pytest.fixture(autouse=True)
def nothing_leaves(monkeypatch: pytest.MonkeyPatch) -> None:
    """No project or network goes; what happens when one does is in test_leaving."""
    monkeypatch.setattr(changes, "inside", lambda run, previews: [])
    monkeypatch.setattr(changes, "remember_projects", lambda run, previews: None)
    monkeypatch.setattr(changes, "clear_projects", lambda run: None)


PREVIEWS = [
    Outcome(StackKey("lab", "north", "identity"), "skip", {"same": 20}, (), False, 20, 0.0),
    Outcome(StackKey("lab", "north", "network"), "preview", {"create": 12, "same": 3}, (), True, 15, 1.0),
]


@pytest.mark.parametrize(("reference", "kept"), [("regional-dc", ["regional-dc.yaml"]), ("regional-dc@lab", [])])
def test_the_ledger_is_written_for_what_is_real(reference: str, kept: list[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    written: list[str] = []
    expected: list[dict[str, int]] = []
    run: Any = SimpleNamespace(
        plan=SimpleNamespace(ledger=None, regions={}),
        stacks=SimpleNamespace(home=Home(tmp_path)),
        connections={},
        planned=lambda chosen: [],
        previews=lambda keys, full: PREVIEWS,
        apply=lambda previews: [],
    )
    monkeypatch.setenv("LZ_CACHE", str(tmp_path))
    monkeypatch.setattr(changes, "open_alone", lambda asked, say, board: nullcontext((run, Selection())))
    monkeypatch.setattr(preflight, "examine", lambda run, chosen: [])
    monkeypatch.setattr(changes, "pin", lambda run, regions: None)
    monkeypatch.setattr("landing_zone.engine.credentials.ensure", lambda run, keys: None)
    monkeypatch.setattr("landing_zone.engine.limits.due", lambda run, keys: {})
    monkeypatch.setattr(changes, "save_ledger", lambda path, ledger: written.append(path.name))
    monkeypatch.setattr(Board, "expect", lambda _, totals: expected.append(totals))
    changes.bring_up(Asked(reference), Progress(), yes=True, quiet=True)
    assert written == kept
    assert expected == [{"lab.north.network": 15}], "the time to go counts what waits from the beginning, and nothing that stays as it is"


def failing(error: LzError) -> Any:
    """A run whose previews fail."""

    def previews(*_: object, **__: object) -> None:
        raise error

    return SimpleNamespace(planned=lambda chosen: [], previews=previews)


def test_a_preview_that_fails_hides_nothing_that_preflight_finds_in_any_region(monkeypatch: pytest.MonkeyPatch) -> None:
    found = [Finding(name, "x", Verdict.FAIL, (Problem(f"{name} has no network"),)) for name in ("north", "south")]
    monkeypatch.setattr(preflight, "examine", lambda run, chosen: found)
    with pytest.raises(LzError) as caught:
        changes.previewed(failing(LzError("stack north failed", exit_code=7)), Selection(), full=False)
    assert [problem.what for problem in caught.value.problems] == ["north has no network", "south has no network", "stack north failed"]
    assert caught.value.exit_code == 7


def test_who_meets_another_at_work_only_hears_of_that(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(preflight, "examine", lambda run, chosen: pytest.fail("the cloud was asked"))
    with pytest.raises(BusyError):
        changes.previewed(failing(BusyError("in use")), Selection(), full=False)


def test_default_groups_of_what_was_applied_are_closed_region_by_region_and_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    closed: dict[str, set[str]] = {}
    said: list[str] = []
    keys = [StackKey("lab", *place) for place in (("north", "identity"), ("north", "tenant-edu"), ("south", "identity"))]
    home = Home(tmp_path)
    for key in keys[1:]:
        home.unclosed(key.name).touch()
    run: Any = SimpleNamespace(
        plan=SimpleNamespace(regions={}),
        stacks=SimpleNamespace(home=home, projects=lambda key: frozenset({f"{key.region}-{key.layer}"})),
        connections={"north": "north's", "south": "south's"},
        planned=lambda chosen: [],
        previews=lambda keys, full: [],
        apply=lambda previews: [SimpleNamespace(key=key) for key in keys],
        say=said.append,
    )

    def close(connection: str, projects: set[str]) -> int:
        assert connection not in closed
        closed[connection] = projects
        return 4 if connection == "south's" else 0

    monkeypatch.setenv("LZ_CACHE", str(tmp_path))
    monkeypatch.setattr(changes, "open_alone", lambda asked, say, board: nullcontext((run, Selection())))
    monkeypatch.setattr(changes, "pin", lambda run, regions: None)
    monkeypatch.setattr("landing_zone.engine.credentials.ensure", lambda run, keys: None)
    monkeypatch.setattr("landing_zone.engine.limits.due", lambda run, keys: {})
    monkeypatch.setattr(sweep, "default_rules", close)
    for _ in range(2):
        changes.bring_up(Asked("lab"), Progress(), yes=True, quiet=True)
    assert closed == {"north's": {"north-tenant-edu"}, "south's": {"south-identity"}}
    assert said == ["region south: removed 4 rules that Neutron gives default security groups by itself"]


LIMITS = {"lab-edu-main": {"key-manager": {"secrets": 1}}}


@pytest.mark.parametrize(
    ("module", "what", "act", "told"),
    [
        ("limits", LIMITS, "ensure", "limits of key-manager are to be set, in 1 projects"),
        ("gateways", {"lab-edu-router": "r1"}, "close", "lab-edu-router is to have no way out any more"),
    ],
)
def test_what_no_stack_makes_is_a_change_too_that_is_told_asked_for_and_made(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], module: str, what: Any, act: str, told: str
) -> None:
    key = StackKey("lab", "north", "tenant-edu")
    done: list[str] = []
    outcome = Outcome(key, "skip", {"same": 1}, (), False, 1, 0.0)
    run: Any = SimpleNamespace(
        plan=SimpleNamespace(ledger=None, regions={}),
        connections={},
        planned=lambda chosen: [],
        previews=lambda keys, full: [outcome],
        apply=lambda previews: previews,
    )
    monkeypatch.setattr(changes, "open_alone", lambda asked, say, board: nullcontext((run, Selection())))
    monkeypatch.setattr(preflight, "examine", lambda run, chosen: [])
    monkeypatch.setattr(changes, "pin", lambda run, regions: None)
    monkeypatch.setattr(changes, "close_default_groups", lambda run, keys: None)
    monkeypatch.setattr(changes, "agree", lambda question, yes: done.append(question))
    monkeypatch.setattr(changes, "save_ledger", lambda path, ledger: None)
    monkeypatch.setattr("landing_zone.engine.credentials.ensure", lambda run, keys: None)
    for other, name in (("limits", "due"), ("limits", "ensure"), ("gateways", "due"), ("gateways", "close")):
        monkeypatch.setattr(f"landing_zone.engine.{other}.{name}", lambda run, keys: {})
    monkeypatch.setattr(f"landing_zone.engine.{module}.due", lambda run, keys: {key: what})
    monkeypatch.setattr(f"landing_zone.engine.{module}.{act}", lambda run, keys: done.append(f"{act} {keys}"))
    changes.bring_up(Asked("lab"), Progress(), yes=False)
    assert done == ["Apply these changes?", f"{act} {[key]}"]
    assert f"lab.north.tenant-edu: {told}" in capsys.readouterr().out
