"""What is read of a stack's state, and what its operations write down."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pulumi.automation import CommandError
from pulumi.automation._cmd import CommandResult

from landing_zone.engine import checkpoints
from landing_zone.engine.home import Home
from landing_zone.engine.stack import StackKey, Stacks
from landing_zone.engine.stores.folder import Folder

KEY = StackKey("lab", "north", "tenant-edu")
ROOT: dict[str, Any] = {"type": "pulumi:pulumi:Stack", "outputs": {"ids": {"project": {"lab-edu-network": "p-1", "lab-edu-main": "p-2"}}}}
DOMAIN = {"type": "openstack:identity/project:Project", "id": "d-1", "inputs": {"name": "lab-edu", "isDomain": True}}
PROJECT = {"type": "openstack:identity/project:Project", "id": "p-2", "inputs": {"name": "lab-edu-main"}}
UNDER_WAY = {"type": "openstack:identity/project:Project", "inputs": {"name": "lab-edu-late"}}


@pytest.mark.parametrize(
    ("resources", "projects"),
    [
        ([ROOT, DOMAIN, PROJECT], {"p-1", "p-2"}),
        ([{"type": "pulumi:pulumi:Stack"}, DOMAIN, PROJECT, UNDER_WAY], {"p-2"}),
        ([ROOT], {"p-1", "p-2"}),
        ([], set()),
    ],
    ids=["whole", "half made", "half removed", "nothing"],
)
def test_projects_are_known_from_the_first_to_the_last(tmp_path: Path, resources: list[dict[str, Any]], projects: set[str]) -> None:
    home = Home(tmp_path)
    stacks = Stacks(home, Folder(home.backend))
    stacks.store.write(
        checkpoints.checkpoint(KEY.name), json.dumps({"version": 3, "checkpoint": {"latest": {"resources": resources}}}).encode()
    )
    assert stacks.projects(KEY) == projects


@pytest.mark.parametrize(("code", "words"), [(-9, "ended from outside (signal 9)"), (255, "the last line")], ids=["killed", "failed"])
def test_an_engine_that_was_killed_is_told_apart_from_one_that_failed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int, words: str
) -> None:
    def ended(*_: object) -> Any:
        raise CommandError(CommandResult("the last line", "", code))

    monkeypatch.setattr(Stacks, "_stack", ended)
    home = Home(tmp_path)
    (problem,) = Stacks(home, Folder(home.backend)).destroy(KEY).problems
    assert words in problem.why
    assert "run the same command again" in problem.cure


class Talking:
    """A stack whose engine says one line."""

    def __init__(self, name: str) -> None:
        self.name = name

    def preview(self, on_output: Callable[[str], None], **_: object) -> None:
        on_output(f"line of {self.name}")


def test_each_stack_has_a_log_of_its_own_to_which_every_operation_is_added(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Stacks, "_stack", lambda _, key, *__: Talking(key.name))
    home, keys = Home(tmp_path), (KEY, StackKey("lab", "north", "network"))
    stacks = Stacks(home, Folder(home.backend))
    for key in (*keys, *keys):
        assert stacks.preview(key, lambda: None).good
    assert sorted(path.name for path in home.logs.iterdir()) == sorted(f"{key.name}.log" for key in keys)
    for key in keys:
        said = (home.logs / f"{key.name}.log").read_text()
        assert said.count("line of ") == said.count(f"line of {key.name}\n") == 2
