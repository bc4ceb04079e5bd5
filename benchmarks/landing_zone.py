"""How long the first landing zone takes on the lab that stands: create, nothing to do, remove.

python -m benchmarks.landing_zone --times 3
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections import defaultdict

from benchmarks import measure
from foundation.places import CHECKOUT

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


def main() -> None:
    """Print the table as Markdown."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--times", type=int, default=3)
    figures: dict[str, list[float]] = defaultdict(list)
    header = measure.machine()
    for _ in range(parser.parse_args().times):
        for name, words in STEPS.items():
            figures[name].append(measure.seconds(lambda words=words: run(words)))  # type: ignore[misc]
    sys.stdout.write("\n".join([header, "", measure.table(("step",), figures, "s"), ""]))


if __name__ == "__main__":
    main()
