"""Playbooks for live nodes, with stand-ins for the role and for systemd: who stops whom, and what is written down."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from foundation.places import CHECKOUT
from tests.unit.roles.rendering import render

BOOKS = CHECKOUT / "playbooks"
HERE: dict[str, object] = {"ansible_connection": "local", "ansible_become": False, "ansible_python_interpreter": sys.executable}
GONE: dict[str, object] = {"ansible_host": "127.0.0.1", "ansible_port": 1, "ansible_ssh_common_args": "-F none", "ansible_become": False}
SYSTEMCTL = '#!/bin/sh\ncase "$1" in is-system-running) echo running ;; esac\n'
TASKS = """
- name: A setting
  ansible.builtin.copy:
    content: written
    dest: "{{ folder }}/{{ inventory_hostname }}.setting"
    mode: "0600"
  notify: In force
- name: A mistake
  ansible.builtin.assert:
    that: inventory_hostname != mistaken | default('')
"""
HANDLERS = """
- name: In force
  ansible.builtin.copy:
    content: in force
    dest: "{{ folder }}/{{ inventory_hostname }}.force"
    mode: "0600"
"""


def harden(folder: Path, hosts: dict[str, dict[str, object]], **given: object) -> str:
    """Run site.yml with a role that writes `NAME.setting`, and `NAME.force` when it takes effect; returns what Ansible said."""
    for name, text in (("roles/node_baseline/tasks", TASKS), ("roles/node_baseline/handlers", HANDLERS)):
        (folder / name).mkdir(parents=True)
        (folder / name / "main.yml").write_text(text)
    systemctl = folder / "bin/systemctl"
    systemctl.parent.mkdir()
    systemctl.write_text(SYSTEMCTL)
    systemctl.chmod(0o755)
    inventory = folder / "inventory.json"
    inventory.write_text(json.dumps({"all": {"hosts": hosts}}))
    environment = {
        **os.environ, "PATH": f"{systemctl.parent}:{os.environ['PATH']}", "ANSIBLE_ROLES_PATH": str(folder / "roles"),
        "ANSIBLE_HOME": str(folder / "home"), "ANSIBLE_NOCOLOR": "1", "ANSIBLE_GATHERING": "explicit",
    }  # fmt: skip
    words: list[str | Path] = [Path(sys.executable).with_name("ansible-playbook"), "-i", inventory]
    words += ["-e", json.dumps({"folder": str(folder), **given})]
    return subprocess.run([*words, BOOKS / "site.yml"], env=environment, check=False, capture_output=True, text=True, cwd=folder).stdout


def made(folder: Path, kind: str) -> list[str]:
    return sorted(file.stem for file in folder.glob(f"*.{kind}"))


@pytest.mark.timeout(300)
def test_a_node_that_is_lost_in_a_batch_keeps_the_next_from_being_hardened(tmp_path: Path) -> None:
    said = harden(tmp_path, {"a": HERE, "gone": GONE, "next": HERE}, site_serial=[2])
    assert "gone did not answer or failed, and the nodes after it stay as they are" in said, said
    assert (made(tmp_path, "setting"), made(tmp_path, "force")) == (["a"], ["a"])


@pytest.mark.timeout(300)
def test_where_all_are_only_looked_at_a_lost_node_hides_no_other(tmp_path: Path) -> None:
    said = harden(tmp_path, {"a": HERE, "gone": GONE}, site_serial="100%", site_failures=100)
    assert "did not answer or failed" not in said, said
    assert made(tmp_path, "force") == ["a"]


@pytest.mark.timeout(300)
def test_what_was_written_before_a_task_failed_takes_effect(tmp_path: Path) -> None:
    """The next run finds it written, and would not know that it is not in force."""
    said = harden(tmp_path, {"a": HERE, "next": HERE}, mistaken="a")
    assert "failed=1" in said, said
    assert (made(tmp_path, "setting"), made(tmp_path, "force")) == (["a"], ["a"])


def tasks(entries: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Every task, those in blocks as well."""
    return [one for entry in entries for one in (tasks([*entry["block"], *entry.get("always", [])]) if "block" in entry else [entry])]


def record(before: str, after: str, **more: object) -> dict[str, Any]:
    """What patch.yml writes of a node whose dpkg said this."""
    (play,) = yaml.safe_load((BOOKS / "patch.yml").read_text())
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
    (play,) = yaml.safe_load((BOOKS / "patch.yml").read_text())
    (block,) = [entry for entry in play["tasks"] if "block" in entry]
    assert [each["name"] for each in block["block"]] == ["Updates"]
    assert "Record of this node" in [each["name"] for each in block["always"]]
    assert record("a 1 installed", "a 1 installed")["complete"] is True
    assert record("a 1 installed", "a 1 installed", patch_run={"rc": 1, "failed": True})["complete"] is False
