"""Test nodes by hand: python -m tests.nodes up NAME | down NAME | scan NAME.

up prints how the node is reached: `ssh -F FILE node`.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from foundation.errors import LzError
from foundation.progress import Progress
from tests.nodes.node import down, find, node, up
from tests.nodes.scan import scan


def main(arguments: list[str]) -> int:
    """Command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.nodes", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("verb", choices=["up", "down", "scan"])
    parser.add_argument("name")
    given = parser.parse_args(arguments)
    try:
        if given.verb == "down":
            down(node(given.name, Path("/"), Path("/")))
            return 0
        one = find(given.name, Progress())
        if given.verb == "up":
            up(one)
            print(f"ssh -F {one.ssh_config} node")
        else:
            for score in scan(one, Progress()):
                print(score, *score.failed, sep="\n  ")
    except LzError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
