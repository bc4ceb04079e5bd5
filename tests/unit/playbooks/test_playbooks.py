"""Playbooks for live nodes: what patch.yml writes down of a node."""

from __future__ import annotations

from typing import Any

import yaml

from foundation.places import CHECKOUT
from tests.unit.roles.rendering import render

PATCH = CHECKOUT / "playbooks" / "patch.yml"


def tasks(entries: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Every task, those in blocks as well."""
    return [one for entry in entries for one in (tasks([*entry["block"], *entry.get("always", [])]) if "block" in entry else [entry])]


def record(before: str, after: str, **more: object) -> dict[str, Any]:
    """What patch.yml writes of a node whose dpkg said this."""
    (play,) = yaml.safe_load(PATCH.read_text())
    one = next(each for each in tasks(play["tasks"]) if each["name"] == "Record of this node")
    asked = {"patch_before": {"stdout_lines": before.splitlines()}, "patch_after": {"stdout_lines": after.splitlines()}}
    facts = {"ansible_facts": {"date_time": {"iso8601": "now"}}, "patch_reboot": {"stat": {"exists": False}}, "inventory_hostname": "a"}
    found: dict[str, Any] = render(one["vars"]["patch_record"], {**one["vars"], **asked, **facts, "patch_run": {"rc": 0}, **more})
    return found


def test_what_an_update_removed_is_recorded_as_gone_although_its_settings_stay() -> None:
    found = record(
        "a 1 installed\nkernel-1 1 installed\nold 1 config-files", "a 2 installed\nkernel-1 1 config-files\nb 1 triggers-pending"
    )
    assert (found["changed"], found["gone"]) == (["a 2", "b 1"], ["kernel-1"])
    assert (found["before"], found["after"]) == ({"a": "1", "kernel-1": "1"}, {"a": "2", "b": "1"})


def test_updates_that_broke_off_are_recorded_too() -> None:
    (play,) = yaml.safe_load(PATCH.read_text())
    (block,) = [entry for entry in play["tasks"] if "block" in entry]
    assert [each["name"] for each in block["block"]] == ["Updates"]
    assert "Record of this node" in [each["name"] for each in block["always"]]
    assert record("a 1 installed", "a 1 installed")["complete"] is True
    assert record("a 1 installed", "a 1 installed", patch_run={"rc": 1, "failed": True})["complete"] is False
