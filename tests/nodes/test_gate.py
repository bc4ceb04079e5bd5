"""The gate of site.yml, by real Ansible on this machine, with stand-ins for the role and for systemd: who stops whom, what takes effect."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from foundation.places import CHECKOUT

pytestmark = pytest.mark.timeout(300)

SITE = CHECKOUT / "playbooks" / "site.yml"
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
    return subprocess.run([*words, SITE], env=environment, check=False, capture_output=True, text=True, cwd=folder).stdout


def made(folder: Path, kind: str) -> list[str]:
    return sorted(file.stem for file in folder.glob(f"*.{kind}"))


def test_a_node_that_is_lost_in_a_batch_keeps_the_next_from_being_hardened(tmp_path: Path) -> None:
    said = harden(tmp_path, {"a": HERE, "gone": GONE, "next": HERE}, site_serial=[2])
    assert "gone did not answer or failed, and the nodes after it stay as they are" in said, said
    assert (made(tmp_path, "setting"), made(tmp_path, "force")) == (["a"], ["a"])


def test_where_all_are_only_looked_at_a_lost_node_hides_no_other(tmp_path: Path) -> None:
    said = harden(tmp_path, {"a": HERE, "gone": GONE}, site_serial="100%", site_failures=100)
    assert "did not answer or failed" not in said, said
    assert made(tmp_path, "force") == ["a"]


def test_what_was_written_before_a_task_failed_takes_effect(tmp_path: Path) -> None:
    """The next run finds it written, and would not know that it is not in force."""
    said = harden(tmp_path, {"a": HERE, "next": HERE}, mistaken="a")
    assert "failed=1" in said, said
    assert (made(tmp_path, "setting"), made(tmp_path, "force")) == (["a"], ["a"])
