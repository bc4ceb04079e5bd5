"""How long the first landing zone takes on the lab that stands, and how much memory it leaves: create, nothing to do, prove, remove.

python -m benchmarks.landing_zone --times 3
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections import defaultdict

from benchmarks import measure
from foundation.places import CHECKOUT
from lab.requirements import memory_gib

LZ = str(CHECKOUT / ".venv/bin/lz")
STEPS = {
    "first up": ("up", "--env", "lab", "--yes"),
    "up again, nothing has changed": ("up", "--env", "lab", "--yes"),
    "plan, nothing has changed": ("plan", "--env", "lab"),
    "plan in full, nothing to do": ("plan", "--env", "lab", "--full"),
    "verify": ("verify", "--env", "lab"),
    "down": ("down", "--env", "lab", "--yes"),
}


def run(words: tuple[str, ...]) -> None:
    """One `lz` command; its output is shown only when it fails."""
    subprocess.run([LZ, *words], check=True, stdout=subprocess.DEVNULL)


def measured(times: int) -> tuple[dict[str, list[float]], dict[str, list[float]]]:
    """Of each step and run: seconds, and the least memory (GiB) that was available on the machine meanwhile."""
    took: dict[str, list[float]] = defaultdict(list)
    left: dict[str, list[float]] = defaultdict(list)
    for _ in range(times):
        for name, words in STEPS.items():
            with measure.watched(lambda: memory_gib("MemAvailable")) as available:
                took[name].append(measure.seconds(lambda words=words: run(words)))  # type: ignore[misc]
            left[name].append(min(available))
    return took, left


def main() -> None:
    """Print both tables as Markdown."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--times", type=int, default=3)
    times, header = parser.parse_args().times, measure.machine()
    took, left = measured(times)
    tables = [measure.table(("step",), took, "s"), "", measure.table(("memory available at the least, lab and all",), left, "GiB")]
    sys.stdout.write("\n".join([header, "", *tables, ""]))


if __name__ == "__main__":
    main()
