"""`lz down` and what is not only ours: data goes by its name, what others made goes when somebody says so, and nothing before."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import MagicMock

import pytest
import typer

from foundation.errors import InputError
from landing_zone.cli.changes import agree_others, data_that_goes, remove, with_dependents
from landing_zone.drift.facts import Fact
from landing_zone.drift.others import Others
from landing_zone.engine.credentials import file_of
from landing_zone.engine.home import Home
from landing_zone.engine.runs import Run, Selection
from landing_zone.engine.stack import StackKey
from landing_zone.engine.sweep import leave, leaving
from landing_zone.ssh.pinning import pinned_instance
from tests.unit.engine.support import FakeStacks, plan

KEY = StackKey("lab", "north", "tenant-edu")
ACCESS = StackKey("lab", "north", "access")
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


def test_what_stands_in_a_region_that_the_file_no_longer_has_keeps_everything_from_being_removed(tmp_path: Path) -> None:
    stacks: Any = FakeStacks(Home(tmp_path), stands={"lab.north.identity", "lab.east.identity"})
    there = Run(plan(), stacks, {}, {}, lambda _: None)
    with pytest.raises(InputError) as caught:
        with_dependents(there, Selection())
    (problem,) = caught.value.problems
    assert problem.what == "lab.east.identity is in a region that the environment file does not have"
    assert with_dependents(there, Selection(regions=frozenset({"north"}))) == [StackKey("lab", "north", "identity")]


def region(name: str) -> Any:
    bastion = SimpleNamespace(hostname=f"bastion-{name}")
    return SimpleNamespace(
        access=SimpleNamespace(bastion=bastion), probes=SimpleNamespace(instances=()), demand=SimpleNamespace(services=())
    )


class Down:
    """A run whose stacks know their projects as long as they stand; `killed_at` stops it: before or after a stack has gone."""

    def __init__(self, root: Path, killed_at: str) -> None:
        self.said: list[str] = []
        self.stands = {KEY.name: frozenset({"p1"})}
        self.killed_at = killed_at
        self.stacks = SimpleNamespace(
            home=Home(root), projects=lambda key: self.stands.get(key.name, frozenset()), standing=lambda: frozenset(self.stands)
        )
        self.connections = {"north": MagicMock(), "south": MagicMock()}
        self.plan = SimpleNamespace(code="lab", regions={name: region(name) for name in self.connections})

    def remove(self, keys: list[StackKey]) -> list[Any]:
        if self.killed_at == "project gone":
            self.stands = {key.name: frozenset() for key in keys}
        else:
            self.stands = {}
        if self.killed_at:
            raise KeyboardInterrupt
        return []


@pytest.mark.parametrize("killed_at", ["project gone", "stack gone"])
def test_default_groups_go_although_the_run_that_removed_their_project_was_killed(
    killed_at: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("landing_zone.inventory.hosts", lambda *_: [])
    run: Any = Down(tmp_path, killed_at)
    group = SimpleNamespace(name="default")
    groups = run.connections["north"].network
    groups.security_groups.side_effect = lambda project_id: [group] if project_id == "p1" else []
    with pytest.raises(KeyboardInterrupt):
        remove(run, [KEY])
    run.killed_at = ""
    for _ in range(2):
        remove(run, [StackKey.of(name) for name in run.stands])
    groups.delete_security_group.assert_called_once_with(group)
    assert run.connections["south"].mock_calls == []


def test_credentials_and_host_keys_go_although_the_run_that_removed_their_stack_was_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("landing_zone.inventory.hosts", lambda *_: [])
    run: Any = Down(tmp_path, "stack gone")
    run.stands[ACCESS.name] = frozenset()
    home = run.stacks.home
    home.known_hosts.write_text("bastion-north ssh-ed25519 AAAA i1\nbastion-south ssh-ed25519 AAAA i2\n")
    edu, health = (file_of(home, "north", code) for code in ("edu", "health"))
    edu.touch()
    health.touch()
    with pytest.raises(KeyboardInterrupt):
        remove(run, [KEY, ACCESS])
    run.killed_at = ""
    remove(run, [])
    assert (edu.exists(), health.exists()) == (False, True)
    assert (pinned_instance(home, "bastion-north"), pinned_instance(home, "bastion-south")) == (None, "i2")


def test_a_project_that_was_to_go_and_still_stands_keeps_its_group(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("landing_zone.inventory.hosts", lambda *_: [])
    run: Any = Down(tmp_path, "")
    leave(run.stacks.home, "lab.north.tenant-portal", {"p2"})
    run.remove = lambda keys: []
    run.stands = {"lab.north.tenant-portal": frozenset({"p2"})}
    remove(run, [])
    assert run.connections["north"].mock_calls == []
    assert leaving(run.stacks.home) == {"lab.north.tenant-portal": ("p2",)}
