"""A profile's life on a test node, driven by Molecule: a scenario a profile, in roles/node_baseline/molecule.

Molecule runs in the role's folder, with the programs of this environment. What it keeps from one command to the next lies
in the cache, and goes when the node has gone.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import yaml

from foundation.places import CHECKOUT, cache
from foundation.progress import Progress
from tests.nodes.node import Node, find

ROLE = CHECKOUT / "roles" / "node_baseline"
SCENARIOS = ROLE / "molecule"
SHARED = CHECKOUT / ".config" / "molecule" / "config.yml"  # Molecule finds it by itself where git is
BIN = Path(sys.executable).parent
SAID = re.compile(r"^\w+ +\[\w+ > (?P<step>\w+)\] (?P<what>Executing$|Executed: Successful$|Skipping)")


@dataclass(frozen=True)
class Life:
    """How a command of Molecule ended. steps: what it did to a good end, in order, and the seconds each took. output: all it said."""

    status: int
    steps: tuple[tuple[str, float], ...]
    output: str

    @property
    def names(self) -> list[str]:
        """Of the steps."""
        return [name for name, _ in self.steps]

    @property
    def tail(self) -> str:
        """What it ended with, for the message of a failed test."""
        return "\n".join(self.output.splitlines()[-60:])

    def __add__(self, other: Life) -> Life:
        return Life(self.status or other.status, self.steps + other.steps, self.output + other.output)

    def __str__(self) -> str:
        return ", ".join(f"{name} {seconds:.0f} s" for name, seconds in self.steps)


def profiles() -> list[str]:
    """Of which there is a scenario."""
    return sorted(file.parent.name for file in SCENARIOS.glob("*/molecule.yml"))


def name(profile: str) -> str:
    """Of the node of a profile's scenario."""
    return str(yaml.safe_load((SCENARIOS / profile / "molecule.yml").read_text())["platforms"][0]["name"])


def profile_of(node: str) -> str:
    """The profile whose scenario has the node of that name; `base` when none has."""
    return next((profile for profile in profiles() if name(profile) == node), "base")


def subject(profile: str) -> Node:
    """The node of a profile's scenario, running or not."""
    return find(name(profile), Progress())


def is_up(profile: str) -> bool:
    """Whether there is something of the scenario's node."""
    return subject(profile).home.exists()


def home(profile: str) -> Path:
    """What Molecule keeps of a scenario from one command to the next."""
    return cache("nodes", "molecule") / profile


def sequence(profile: str) -> list[str]:
    """The steps of `molecule test`, by the scenario's own file or by that of all."""
    for file in (SCENARIOS / profile / "molecule.yml", SHARED):
        steps = yaml.safe_load(file.read_text()).get("scenario", {}).get("test_sequence")
        if steps:
            return [step.split()[0] for step in steps]
    raise KeyError("test_sequence")


def molecule(profile: str, *words: str, tell: Callable[[str], object] = lambda line: None) -> Life:
    """Run `molecule WORDS` on a profile's scenario to its end. tell: is given each line as it comes."""
    kept = home(profile)
    environment = {
        **os.environ,
        "PATH": f"{BIN}:{os.environ['PATH']}",
        "ANSIBLE_HOME": str(kept / "ansible"),
        "MOLECULE_EPHEMERAL_DIRECTORY": str(kept / "state"),
        "ANSIBLE_NOCOLOR": "1",
        "NO_COLOR": "1",
        "MOLECULE_ANSIBLE_ARGS_STRICT_MODE": "1",  # words for Ansible are not for the playbooks that make and end a node
    }
    (kept / "ansible").mkdir(parents=True, exist_ok=True)
    verb, *more = words
    command: list[str | Path] = [BIN / "molecule", "--base-config", SHARED, verb, "--scenario-name", profile, *more]
    steps, lines = list[tuple[str, float]](), list[str]()
    began, skipped = time.monotonic(), False
    with subprocess.Popen(
        command, cwd=ROLE, env=environment, text=True, errors="replace",
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    ) as running:  # fmt: skip
        assert running.stdout
        for line in running.stdout:
            lines.append(line)
            tell(line)
            said = SAID.match(line.rstrip())
            if not said:
                continue
            if said["what"] == "Executing":
                began, skipped = time.monotonic(), False
            elif said["what"] == "Skipping":
                skipped = True
            elif not skipped:
                steps.append((said["step"], time.monotonic() - began))
    if not is_up(profile):
        shutil.rmtree(kept)
    return Life(running.returncode, tuple(steps), "".join(lines))
