"""The same graph by the project's engine and by plain calls of openstacksdk, in turns: what a state, a preview and guard rails cost.

python -m benchmarks.lower_bound --resources 200 --pairs 3 --record FILE

Both make as many calls at once. Plain calls are the least that any tool could need; the goal is at most 1.3 times that.
"""

from __future__ import annotations

import sys
import tempfile
from dataclasses import replace
from pathlib import Path

from benchmarks import measure
from benchmarks.graph import words
from benchmarks.graph.description import TENANT_SIZE, describe
from benchmarks.opentofu import Side, in_turns, ours, quietly, read, table
from landing_zone.engine import clouds


def plain(tenants: int, cloud: str, region: str) -> Side:
    """Plain calls, each step in a process of its own. There is no state, and so nothing to compare it with."""
    told = [f"--tenants={tenants}", f"--cloud={cloud}", f"--region={region}"]
    command = [sys.executable, "-m", "benchmarks.graph.plain"]
    return Side("plain", {"create": lambda: quietly([*command, "up", *told]), "remove": lambda: quietly([*command, "down", *told])})


def main() -> None:
    """Measure, and print the table of all that is recorded."""
    given = words.comparison(__doc__, Path(tempfile.gettempdir()) / "lz-lower-bound.jsonl").parse_args()
    graph = describe(given.resources // TENANT_SIZE)
    cloud = clouds.connect(clouds.use([given.cloud])[given.cloud], given.region)
    bound = plain(len(graph), given.cloud, given.region)
    engine = ours(len(graph), given.cloud, given.region)
    sides = (replace(engine, steps={name: engine.steps[name] for name in bound.steps}), bound)
    in_turns(sides, graph, cloud, given.pairs, given.record, given.apart)
    print(f"{measure.machine()}\n\n{table(read(given.record), 'plain', 'plain calls')}")


if __name__ == "__main__":
    main()
