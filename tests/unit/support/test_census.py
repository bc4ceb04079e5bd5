"""A census tells what was left behind, and only that."""

from __future__ import annotations

from unittest.mock import MagicMock

import pytest

from landing_zone.engine.sweep import default_groups
from tests.support import census


class Thing:
    def __init__(self, identity: str, name: str | None, project_id: str = "") -> None:
        self.id, self.name, self.project_id = identity, name, project_id


def test_what_is_new_is_left_over() -> None:
    before = {"network": frozenset({"public (1)"}), "port": frozenset({"x (2)"})}
    after = {"network": frozenset({"public (1)", "lab-edu (3)"}), "port": frozenset[str]()}
    assert census.left_over(before, after) == ["network lab-edu (3)"]
    assert census.left_over(before, before) == []


def test_what_is_gone_is_a_difference_too() -> None:
    before = {"network": frozenset({"public (1)"}), "port": frozenset({"x (2)"})}
    after = {"network": frozenset({"public (1)", "lab-edu (3)"}), "port": frozenset[str]()}
    assert census.differences(before, after) == ["network lab-edu (3)", "gone: port x (2)"]
    assert census.differences(before, before) == []


def test_default_groups_count_only_when_their_project_is_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    connection = MagicMock()
    connection.identity.projects.return_value = [Thing("p1", "service")]
    connection.network.security_groups.return_value = [
        Thing("g1", "default", "p1"),
        Thing("g2", "default", "gone"),
        Thing("g3", "web", "p1"),
    ]
    monkeypatch.setattr(census, "LISTERS", {"security group": census.LISTERS["security group"]})
    assert census.take(connection) == {"security group": {"default (g2)", "web (g3)"}}


def test_a_nameless_thing_is_known_by_its_id(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(census, "LISTERS", {"port": lambda _: [Thing("p1", None)]})
    assert census.take(MagicMock()) == {"port": {"(no name) (p1)"}}


def test_only_default_groups_are_swept() -> None:
    connection = MagicMock()
    connection.network.security_groups.side_effect = lambda project_id: [Thing("g1", "default"), Thing("g2", "made by hand")]
    assert default_groups(connection, ["p1", "p2"]) == 2
    assert {call.args[0].id for call in connection.network.delete_security_group.call_args_list} == {"g1"}
