"""Whether live nodes are as the role makes them: playbooks/site.yml in check mode, with its gate. Nothing on a node is changed."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from foundation import files
from foundation.places import CHECKOUT
from foundation.process import CommandFailed, run
from landing_zone.engine.home import Home
from landing_zone.proof.results import Result, Verdict

CONTROL = "CMP-02"
SITE = CHECKOUT / "playbooks" / "site.yml"
PATIENCE = 3600  # seconds, for all nodes side by side
SHOWN = 5  # names of tasks in one line
# All nodes at once, and one that fails does not hide the others.
ALL_AT_ONCE = {"site_serial": "100%", "site_failures": 100}
_HEADER = re.compile(r"^(?:TASK|RUNNING HANDLER) \[(?P<task>.*)\] \*")
_RECAP = re.compile(r"^(?P<host>\S+)\s+: ok=\d+\s+changed=(?P<changed>\d+)\s+unreachable=(?P<unreachable>\d+)\s+failed=(?P<failed>\d+)")
_SAID = re.compile(r"^(?P<how>changed|fatal|failed): \[(?P<host>[^]\s]+)[^]]*\](?P<rest>.*)")
_MESSAGE = re.compile(r'"msg": "(?P<message>(?:[^"\\]|\\.)*)"')


@dataclass(frozen=True)
class Told:
    """What Ansible says of one host. changed: tasks that would change it. broken: the last task that failed, with its message."""

    changed: tuple[str, ...]
    broken: str
    unreachable: bool
    failed: bool


def check(home: Home, inventory: Mapping[str, Any], given: Path | None = None) -> list[Result]:
    """Compare every host of an Ansible inventory with the role; one result a host. given: YAML file with variables of the role."""
    where = home.root / "inventory.json"
    files.replace(where, json.dumps(inventory, indent=1))
    command: list[str | Path] = [Path(sys.executable).with_name("ansible-playbook"), "-i", where, "--check"]
    command += ["-e", json.dumps(ALL_AT_ONCE), *(["-e", f"@{given.resolve()}"] if given else []), SITE]
    settings = {
        "ANSIBLE_ROLES_PATH": str(CHECKOUT / "roles"),
        "ANSIBLE_SSH_CONTROL_PATH_DIR": str(home.root / "cp"),
        "ANSIBLE_PIPELINING": "1",
        "ANSIBLE_NOCOLOR": "1",
        "ANSIBLE_CALLBACK_RESULT_FORMAT": "json",
        "ANSIBLE_LOCALHOST_WARNING": "0",
        # Whatever a person likes better to read: this is what `told` reads, task after task and from one stream.
        "ANSIBLE_STDOUT_CALLBACK": "default",
        "ANSIBLE_STRATEGY": "linear",
        "ANSIBLE_DISPLAY_OK_HOSTS": "1",
        "ANSIBLE_DISPLAY_FAILED_STDERR": "0",
    }
    try:
        output = run(command, env=settings, timeout=PATIENCE)
    except CommandFailed as problem:
        output = problem.output
    log = home.logs / "nodes.log"
    files.replace(log, output)
    return results(inventory["all"]["hosts"], output, log)


def results(hosts: Mapping[str, Mapping[str, Any]], output: str, log: Path) -> list[Result]:
    """One result a host out of what ansible-playbook said; a host that it says nothing of could not be evaluated."""
    said = told(output)
    return [
        Result(CONTROL, str(one["lz_region"]), f"{name} is as the role makes it", *_judge(said.get(name), log))
        for name, one in hosts.items()
    ]


def told(output: str) -> dict[str, Told]:
    """What ansible-playbook said, by host."""
    task, changed, broken, found = "", dict[str, list[str]](), dict[str, str](), dict[str, Told]()
    for line in output.splitlines():
        if header := _HEADER.match(line):
            task = header["task"]
        elif said := _SAID.match(line):
            if said["how"] == "changed":
                names = changed.setdefault(said["host"], [])
                names += [task] if task not in names else []
            else:
                message = _MESSAGE.search(said["rest"])
                broken[said["host"]] = f"{task}: {message['message']}" if message else task
        elif recap := _RECAP.match(line):
            host = recap["host"]
            counts = {name: bool(int(recap[name])) for name in ("unreachable", "failed")}
            found[host] = Told(tuple(changed.get(host, ())), broken.get(host, ""), **counts)
    return found


def _judge(one: Told | None, log: Path) -> tuple[Verdict, str]:
    if one is None:
        return Verdict.UNKNOWN, f"Ansible did not come to it; see {log}"
    if one.unreachable:
        return Verdict.UNKNOWN, f"unreachable: {one.broken}"
    if one.failed:
        return Verdict.FAIL, one.broken
    if one.changed:
        return Verdict.FAIL, f"would change: {_few(one.changed)}"
    return Verdict.PASS, "nothing would change, no unit has failed"


def _few(names: Sequence[str]) -> str:
    more = len(names) - SHOWN
    return "; ".join(names[:SHOWN]) + (f"; and {more} more" if more > 0 else "")
