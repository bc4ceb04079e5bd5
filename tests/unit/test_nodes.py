"""`lz nodes check`: what Ansible says of a host becomes one of three results, and a host that it forgets is never a pass."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from landing_zone import nodes
from landing_zone.engine.home import Home
from landing_zone.proof.results import Verdict

OUTPUT = """
TASK [node_baseline : Updates] *****************************************************
changed: [sick]
ok: [well]
fatal: [away]: UNREACHABLE! => {"changed": false, "msg": "Connection timed out", "unreachable": true}
TASK [node_baseline : Files] *******************************************************
changed: [other] => (item=one)
changed: [other] => (item=two)
RUNNING HANDLER [node_baseline : Load it] ******************************************
changed: [other]
TASK [No unit has failed] **********************************************************
fatal: [sick]: FAILED! => {"assertion": "x", "msg": "sick is not well: a.service failed"}
PLAY RECAP *************************************************************************
away    : ok=0    changed=0    unreachable=1    failed=0    skipped=0    rescued=0    ignored=0
other   : ok=9    changed=2    unreachable=0    failed=0    skipped=0    rescued=0    ignored=0
sick    : ok=9    changed=1    unreachable=0    failed=1    skipped=0    rescued=0    ignored=0
well    : ok=9    changed=0    unreachable=0    failed=0    skipped=0    rescued=0    ignored=0
"""


@pytest.mark.parametrize(
    ("host", "verdict", "seen"),
    [
        ("well", Verdict.PASS, "nothing would change, no unit has failed"),
        ("other", Verdict.FAIL, "would change: node_baseline : Files; node_baseline : Load it"),
        ("sick", Verdict.FAIL, "No unit has failed: sick is not well: a.service failed"),
        ("away", Verdict.UNKNOWN, "unreachable: node_baseline : Updates: Connection timed out"),
        ("lost", Verdict.UNKNOWN, "Ansible did not come to it; see log"),
    ],
)
def test_one_result_a_host(host: str, verdict: Verdict, seen: str) -> None:
    (one,) = nodes.results({host: {"lz_region": "north"}}, OUTPUT, Path("log"))
    assert (one.control, one.region, one.check) == ("CMP-02", "north", f"{host} is as the role makes it")
    assert (one.verdict, one.seen) == (verdict, seen)


def test_a_rescued_failure_is_none() -> None:
    text = OUTPUT.replace("failed=1", "failed=0")
    (one,) = nodes.results({"sick": {"lz_region": "north"}}, text, Path("log"))
    assert one.seen == "would change: node_baseline : Updates"


def test_of_many_tasks_some_are_named() -> None:
    lines = [f"TASK [t{number}] ***\nchanged: [far]" for number in range(7)]
    recap = "far : ok=9    changed=7    unreachable=0    failed=0"
    (one,) = nodes.results({"far": {"lz_region": "north"}}, "\n".join([*lines, recap]), Path("log"))
    assert one.seen == "would change: t0; t1; t2; t3; t4; and 2 more"


BOOK = """
- hosts: all
  gather_facts: false
  tasks:
    - name: A look
      ansible.builtin.debug:
    - name: A mistake
      ansible.builtin.assert:
        that: inventory_hostname != 'sick'
        fail_msg: it is sick
        quiet: true
"""


def test_what_ansible_says_is_understood_however_a_person_has_it_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By a line for each host, in another stream or another order no node could be evaluated, or one seemed to fail elsewhere."""
    for name, value in (("STDOUT_CALLBACK", "minimal"), ("STRATEGY", "free"), ("DISPLAY_FAILED_STDERR", "1"), ("HOME", str(tmp_path))):
        monkeypatch.setenv(f"ANSIBLE_{name}", value)
    (tmp_path / "book.yml").write_text(BOOK)
    monkeypatch.setattr(nodes, "SITE", tmp_path / "book.yml")
    one = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable, "lz_region": "north"}
    found = nodes.check(Home(tmp_path), {"all": {"hosts": {"well": one, "sick": one}}})
    assert [(each.verdict, each.seen) for each in found] == [
        (Verdict.PASS, "nothing would change, no unit has failed"),
        (Verdict.FAIL, "A mistake: it is sick"),
    ]


CHANGING = (
    BOOK.replace("false\n", "false\n  max_fail_percentage: '{{ site_failures | default(0) }}'\n", 1)
    + """
    - name: A change
      ansible.builtin.copy:
        content: changed
        dest: "{{ mark }}"
"""
)


def test_nothing_is_changed_and_a_node_that_fails_hides_nothing_of_another(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The play would break off for all at the first that fails, and whoever came through so far would seem to be as it should."""
    (tmp_path / "book.yml").write_text(CHANGING)
    (tmp_path / "given.yml").write_text(f"mark: {tmp_path}/mark\n")
    monkeypatch.setattr(nodes, "SITE", tmp_path / "book.yml")
    one = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable, "lz_region": "north"}
    found = nodes.check(Home(tmp_path), {"all": {"hosts": {"sick": one, "well": one}}}, tmp_path / "given.yml")
    assert [(each.verdict, each.seen) for each in found] == [
        (Verdict.FAIL, "A mistake: it is sick"),
        (Verdict.FAIL, "would change: A change"),
    ]
    assert not (tmp_path / "mark").exists()
