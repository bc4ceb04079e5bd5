"""The golden image, built anew each time from the tree and the packages that are cached: seconds of the whole command.

python -m benchmarks.image --profile base --rounds 3
"""

from __future__ import annotations

import argparse

from benchmarks.measure import cost, machine, table
from foundation.places import CHECKOUT

LZ = str(CHECKOUT / ".venv/bin/lz")


def main() -> None:
    """Build once so that everything is cached, then measure and print a table."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--profile", default="base")
    arguments.add_argument("--rounds", type=int, default=3)
    given = arguments.parse_args()
    command = [LZ, "image", "build", "--profile", given.profile, "--anew"]
    cost(command)
    print(f"{machine()}\n")
    print(table(("golden image",), {given.profile: [cost(command).seconds for _ in range(given.rounds)]}, "seconds"))


if __name__ == "__main__":
    main()
