"""How the time of an environment grows with its tenants: of the national cloud, rehearsed on the lab, the first 5, 17 and 51 in one region.

python -m benchmarks.tenants --tenants 5 17 51

For each number: `up` of these tenants (the platform stands), `plan` in full and with nothing changed, `down`; peak memory is that of
all processes of the command together. The goals: seconds per tenant flat within 1.2 times, and with 51 tenants `plan` in full within
60 s and unchanged within 5 s.
"""

from __future__ import annotations

import argparse
import sys

from benchmarks import measure
from benchmarks.landing_zone import LZ
from benchmarks.measure import Cost
from landing_zone.engine.opening import load_plan

HERE = ("--env", "national-cgc@lab", "--region", "north")
PLATFORM = ("--layer", "identity", "--layer", "network")


def measured(tenants: tuple[str, ...]) -> dict[str, Cost]:
    """Every step for these tenants, by its name. The platform stands before and after."""
    chosen = [word for tenant in tenants for word in ("--tenant", tenant)]
    return {
        "up": measure.cost([LZ, "up", *HERE, *chosen, "--yes"]),
        "plan in full": measure.cost([LZ, "plan", *HERE, *PLATFORM, *chosen, "--full"]),
        "plan, nothing has changed": measure.cost([LZ, "plan", *HERE, *PLATFORM, *chosen]),
        "down": measure.cost([LZ, "down", *HERE, *chosen, "--yes"]),
    }


def table(found: dict[int, dict[str, Cost]]) -> str:
    """A Markdown table: a row for each number of tenants and step."""
    lines = ["| tenants | step | seconds | seconds a tenant | peak MiB |", "| ---: | --- | ---: | ---: | ---: |"]
    for count, steps in found.items():
        for step, cost in steps.items():
            lines.append(f"| {count} | {step} | {cost.seconds:.1f} | {cost.seconds / count:.2f} | {cost.peak_mib:.0f} |")
    return "\n".join(lines)


def main() -> None:
    """Print the table as Markdown."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tenants", type=int, nargs="+", default=[5, 17, 51])
    counts = parser.parse_args().tenants
    known = tuple(load_plan(HERE[1]).regions[HERE[3]].tenants)
    header = measure.machine()
    measure.cost([LZ, "up", *HERE, *PLATFORM, "--yes"])
    try:
        found = {count: measured(known[:count]) for count in counts}
    finally:
        measure.cost([LZ, "down", *HERE, "--yes"])
    sys.stdout.write(f"{header}; {len(known)} tenants in all\n\n{table(found)}\n")


if __name__ == "__main__":
    main()
