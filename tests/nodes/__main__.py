"""Test nodes by hand: python -m tests.nodes up NAME | prepare NAME | inventory NAME | scan NAME | down NAME.

up prints how the node is reached: `ssh -F FILE node`; inventory prints the same for Ansible.

A profile's whole life: python -m tests.nodes molecule PROFILE. Or one step of it: python -m tests.nodes molecule PROFILE converge.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from foundation.errors import LzError
from foundation.progress import Progress
from tests.nodes import served
from tests.nodes.node import down, find, node, up
from tests.nodes.play import inventory
from tests.nodes.scan import scan
from tests.nodes.scenario import molecule, profile_of


def main(arguments: list[str]) -> int:
    """Command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.nodes", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("verb", choices=["up", "prepare", "inventory", "scan", "down", "molecule"])
    parser.add_argument("name")
    parser.add_argument("words", nargs=argparse.REMAINDER, help="for molecule: `test` when there are none")
    given = parser.parse_args(arguments)
    try:
        return does(given.verb, given.name, given.words)
    except LzError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code


def does(verb: str, name: str, words: list[str]) -> int:
    """One verb; returns the exit status."""
    if verb == "molecule":
        life = molecule(name, *(words or ["test"]), tell=sys.stdout.write)
        print(life)
        return life.status
    if verb == "down":
        down(node(name, Path("/"), Path("/")))
        return 0
    one = find(name, Progress())
    if verb == "up":
        up(one)
        print(f"ssh -F {one.ssh_config} node")
    elif verb == "prepare":
        served.prepare(one)
    elif verb == "inventory":
        print(json.dumps(inventory(one)))
    else:
        for score in scan(one, profile_of(name), Progress()):
            print(score, *score.failed, sep="\n  ")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
