"""How long the lab takes, in its parts, and what it weighs. Takes down a lab that stands.

python -m benchmarks.lab --times 3
python -m benchmarks.lab --region north --from-packages 0
"""

from __future__ import annotations

import argparse
import re
import sys
import time
from collections import defaultdict
from collections.abc import Sequence

from benchmarks import measure
from foundation.progress import Progress
from lab import lifecycle, requirements
from lab.region import machine_of
from lab.settings import REGIONS, Region, places

LOOKS = 3
PAUSE = 30  # seconds between two of them


def up(figures: dict[str, list[float]], regions: Sequence[str], title: str) -> None:
    """One `lz lab up`, whole and by step."""
    progress = Progress()
    figures[title].append(measure.seconds(lambda: lifecycle.up(regions, "auto", progress)))
    for step in progress.timings:
        figures[f"{title}, {step.name}"].append(step.seconds)


def times(regions: Sequence[str], runs: int, from_packages: int) -> dict[str, list[float]]:
    """Name of the figure -> seconds of each run."""
    figures: dict[str, list[float]] = defaultdict(list)
    for _ in range(from_packages):
        lifecycle.down(Progress())
        lifecycle.forget_layers()
        up(figures, regions, "up from cached packages")
    for _ in range(runs):
        figures["down"].append(measure.seconds(lambda: lifecycle.down(Progress())))
        up(figures, regions, "up from cached layers")
        figures["reset"].append(measure.seconds(lambda: lifecycle.reset(Progress())))
        figures["down --keep"].append(measure.seconds(lambda: lifecycle.down(Progress(), keep=True)))
        up(figures, regions, "warm start")
        up(figures, regions, "up again")
    return figures


def memory() -> dict[str, list[float]]:
    """Program -> MiB (proportional share) in each region that runs, and the sum; at each of three looks."""
    found: dict[str, list[float]] = defaultdict(list)
    for look in range(LOOKS):
        time.sleep(PAUSE if look else 0)
        for region in lifecycle.running(places()):
            for name, mib in shares(region).items():
                found[name].append(mib)
    return dict(sorted(found.items(), key=lambda item: -max(item[1]))[:25])


def shares(region: Region) -> dict[str, float]:
    """Program -> MiB in one region now, and the sum."""
    share: dict[str, float] = defaultdict(float)
    for line in machine_of(places(), region).inside("sh", "-c", MEMORY_SCRIPT).splitlines():
        name, kib = line.rsplit(" ", 1)
        share[re.sub(r"^.*/", "", name)] += int(kib) / 1024
    return {**share, "sum": sum(share.values())}


# The unit that a process belongs to says more than its name, which is python3 for most.
MEMORY_SCRIPT = """
for p in /proc/[0-9]*; do
  kib=$(awk '/^Pss:/ { print $2 }' $p/smaps_rollup 2>/dev/null) || continue
  [ -n "$kib" ] && echo "$(tr '/' '\\n' < $p/cgroup | grep -E '\\.(service|scope)$' | tail -1) $kib"
done
"""


def main() -> None:
    """Print both tables as Markdown."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--times", type=int, default=3)
    parser.add_argument("--from-packages", type=int, default=3, help="times from cached packages, without base tree and seed")
    parser.add_argument("--region", action="append", choices=sorted(REGIONS), help="default: as many as fit")
    arguments = parser.parse_args()
    regions = arguments.region or requirements.default_regions()
    lines = [measure.machine(), "", measure.table(("step",), times(regions, arguments.times, arguments.from_packages), "s"), ""]
    lines += [measure.table(("unit, by region",), memory(), "MiB"), ""]
    sys.stdout.write("\n".join(lines))


if __name__ == "__main__":
    main()
