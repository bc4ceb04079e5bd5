"""Neutron's own rules go from default groups, and no other rule does."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any
from unittest.mock import MagicMock

import pytest

from landing_zone.engine.sweep import default_groups, default_rules

PLAIN = {
    **dict.fromkeys(("protocol", "remote_ip_prefix", "remote_group_id", "remote_address_group_id", "port_range_min", "port_range_max")),
    "ethertype": "IPv4",
}


def rule(identity: str, direction: str, **more: Any) -> dict[str, Any]:
    return {**PLAIN, "id": identity, "direction": direction, **more}


def group(project: str, *rules: dict[str, Any]) -> Any:
    return SimpleNamespace(id=f"group-of-{project}", project_id=project, name="default", security_group_rules=list(rules))


def cloud(listed: list[Any], made: dict[str, Any]) -> MagicMock:
    """A cloud with these default groups, and others that it makes when a project's is asked for."""
    connection = MagicMock()

    def groups(name: str, project_id: str = "") -> list[Any]:
        assert name == "default"
        return [made[project_id]] if project_id in made else [] if project_id else listed

    connection.network.security_groups.side_effect = groups
    return connection


def removed(connection: MagicMock) -> list[str]:
    return [call.args[0] for call in connection.network.delete_security_group_rule.call_args_list]


def test_rules_of_neutrons_templates_go_from_the_groups_of_our_projects() -> None:
    own, new, other = (
        group(project, rule(f"{project}-out", "egress"), rule(f"{project}-in", "ingress", remote_group_id=f"group-of-{project}"))
        for project in ("p1", "p2", "p3")
    )
    connection = cloud([own, other], {"p2": new})
    assert default_rules(connection, {"p1", "p2"}) == 4
    assert sorted(removed(connection)) == ["p1-in", "p1-out", "p2-in", "p2-out"]


@pytest.mark.parametrize(
    "by_hand",
    [
        rule("r", "egress", protocol="tcp"),
        rule("r", "egress", remote_ip_prefix="10.0.0.0/8"),
        rule("r", "egress", remote_group_id="another"),
        rule("r", "ingress"),
        rule("r", "ingress", remote_group_id="another"),
        rule("r", "ingress", remote_group_id="group-of-p1", port_range_min=22),
    ],
)
def test_what_somebody_made_is_left_for_drift_to_tell(by_hand: dict[str, Any]) -> None:
    connection = cloud([group("p1", by_hand)], {})
    assert default_rules(connection, {"p1"}) == 0
    assert removed(connection) == []


def test_a_project_without_a_group_is_no_error() -> None:
    assert default_rules(cloud([], {}), {"p1"}) == 0


def test_of_a_removed_project_the_default_group_alone_goes() -> None:
    """Any other was made by somebody."""
    connection = MagicMock()
    connection.network.security_groups.side_effect = lambda project_id: [
        SimpleNamespace(name=name, id=f"{project_id} {name}") for name in ("default", "theirs")
    ]
    assert default_groups(connection, ["p1", "p2"]) == 2
    gone = [call.args[0].id for call in connection.network.delete_security_group.call_args_list]
    assert gone == ["p1 default", "p2 default"]
