"""The golden image, built anew each time from the tree and the packages that are cached: seconds of the whole command.

python -m benchmarks.image --profile base --rounds 3
"""

from __future__ import annotations

import argparse
from functools import partial

from benchmarks.landing_zone import run
from benchmarks.measure import machine, seconds, table


def main() -> None:
    """Build once so that everything is cached, then measure and print a table."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--profile", default="base")
    arguments.add_argument("--rounds", type=int, default=3)
    given = arguments.parse_args()
    build = partial(run, ("image", "build", "--profile", given.profile, "--anew"))
    build()
    print(f"{machine()}\n")
    print(table(("golden image",), {given.profile: [seconds(build) for _ in range(given.rounds)]}, "seconds"))


if __name__ == "__main__":
    main()
