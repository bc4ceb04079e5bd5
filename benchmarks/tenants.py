"""How the time of an environment grows with its tenants: of the national cloud, rehearsed on the lab, the first 5, 17 and 51 in one region.

python -m benchmarks.tenants --tenants 5 17 51 [--apart]

For each number: `up` of these tenants (the platform stands), `plan` in full and with nothing changed, `down`; peak memory is that of
all processes of the command together. The goals: seconds per tenant flat within 1.2 times, and with 51 tenants `plan` in full within
60 s and unchanged within 5 s.
"""

from __future__ import annotations

import argparse
import sys

from benchmarks import measure
from benchmarks.apart import apart
from benchmarks.landing_zone import LZ
from benchmarks.measure import Cost
from landing_zone.engine.opening import load_plan

HERE = ("--env", "national-cgc@lab", "--region", "north")
PLATFORM = ("--layer", "identity", "--layer", "network")
HEAD = ("| tenants | step | seconds | seconds a tenant | peak MiB |", "| ---: | --- | ---: | ---: | ---: |")


def steps(tenants: tuple[str, ...]) -> dict[str, tuple[str, ...]]:
    """The command of every step for these tenants, by its name. The platform stands before and after."""
    chosen = tuple(word for tenant in tenants for word in ("--tenant", tenant))
    return {
        "up": ("up", *HERE, *chosen, "--yes"),
        "plan in full": ("plan", *HERE, *PLATFORM, *chosen, "--full"),
        "plan, nothing has changed": ("plan", *HERE, *PLATFORM, *chosen),
        "down": ("down", *HERE, *chosen, "--yes"),
    }


def row(count: int, step: str, cost: Cost) -> str:
    """One line of a Markdown table."""
    return f"| {count} | {step} | {cost.seconds:.1f} | {cost.seconds / count:.2f} | {cost.peak_mib:.0f} |"


def main() -> None:
    """Print the table as Markdown, each row as soon as it is known: the last takes an hour."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tenants", type=int, nargs="+", default=[5, 17, 51])
    parser.add_argument("--apart", action="store_true", help="the cloud on a processor of its own")
    given = parser.parse_args()
    known = tuple(load_plan(HERE[1]).regions[HERE[3]].tenants)
    _tell(f"{measure.machine()}; {len(known)} tenants in all\n", *HEAD)
    measure.cost([LZ, "up", *HERE, *PLATFORM, "--yes"])
    try:
        for count in given.tenants:
            for step, words in steps(known[:count]).items():
                with apart(given.apart):
                    cost = measure.cost([LZ, *words])
                _tell(row(count, step, cost))
    finally:
        measure.cost([LZ, "down", *HERE, "--yes"])


def _tell(*lines: str) -> None:
    sys.stdout.write("\n".join([*lines, ""]))
    sys.stdout.flush()


if __name__ == "__main__":
    main()
