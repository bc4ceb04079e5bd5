"""The same graph by the project's engine and by OpenTofu, in turns, on the lab that stands: create, plan, remove.

python -m benchmarks.opentofu --resources 200 --pairs 3 --record FILE

Each run is added to FILE as one line of JSON, so that a long series may be taken in several goes; `--show` only prints the
table of FILE. Before a run begins the cloud has nothing of the graph in it. After each create the census of the cloud must be
the graph itself, and after each removal empty. With `--apart` the cloud has a processor of its own (`benchmarks/apart.py`).
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from openstack.connection import Connection

from benchmarks import measure, peers
from benchmarks.apart import apart
from benchmarks.graph import census, words
from benchmarks.graph.description import TENANT_SIZE, Tenant, describe
from benchmarks.graph.tofu import Tofu, mirror, render
from foundation.errors import LzError, Problem
from foundation.places import CHECKOUT
from foundation.progress import Progress
from landing_zone.engine import clouds
from tools.pins import go_arch

STEPS = {
    "create": "create",
    "plan": "plan with nothing to do, as it comes",
    "plan-state": "- every resource against the state",
    "plan-cloud": "- every resource read in the cloud",
    "remove": "remove",
}


@dataclass(frozen=True)
class Sample:
    """One step of one side: its wall time, the load of the machine (one minute) when it began, and whether the cloud was apart."""

    pair: str
    side: str
    resources: int
    step: str
    seconds: float
    load: float
    apart: bool = False


@dataclass(frozen=True)
class Side:
    """One of those that are compared: what it does for each step. Each call is a process of its own."""

    name: str
    steps: Mapping[str, Callable[[], None]]


def ours(tenants: int, cloud: str, region: str) -> Side:
    """The project's engine. As it comes, it plans only what can have changed, and reads the cloud only when it is to look for drift."""

    def step(word: str) -> Callable[[], None]:
        command = [sys.executable, "-m", "benchmarks.graph.ours", word, f"--tenants={tenants}", f"--cloud={cloud}", f"--region={region}"]
        return lambda: quietly(command)

    words = {"create": "up", "plan": "plan", "plan-state": "full", "plan-cloud": "look", "remove": "down"}
    return Side("lz", {name: step(word) for name, word in words.items()})


@contextmanager
def theirs(graph: tuple[Tenant, ...], cloud: str, region: str, parallel: int | None) -> Iterator[Side]:
    """OpenTofu in a folder of its own that goes afterwards. As it comes, it reads every resource in the cloud before it plans."""
    programs = peers.obtain(Progress())
    version = peers.load().artefacts["terraform-provider-openstack"].version
    with tempfile.TemporaryDirectory(prefix="lz-tofu-") as name:
        folder = Path(name)
        settings = mirror(folder, programs["terraform-provider-openstack"], version, f"linux_{go_arch()}")
        tofu = Tofu(programs["opentofu"], folder, settings, Path(os.environ[clouds.VARIABLE]), parallel)
        tofu.init(render(graph, cloud, region, version))
        yield Side(
            "tofu",
            {
                "create": tofu.up,
                "plan": lambda: tofu.plan(refresh=True),
                "plan-state": lambda: tofu.plan(refresh=False),
                "plan-cloud": lambda: tofu.plan(refresh=True),
                "remove": tofu.down,
            },
        )


def run(side: Side, graph: tuple[Tenant, ...], cloud: Connection, pair: str, away: bool) -> Iterator[Sample]:
    """Every step of one side, with the cloud apart or not. Raises LzError when the cloud does not hold what it should afterwards."""
    _expect(cloud, frozenset(), f"before {side.name} begins")
    left: tuple[str, ...] = ()
    resources = sum(len(tenant.nodes) for tenant in graph)
    for step, act in side.steps.items():
        load = os.getloadavg()[0]
        with apart(away):
            seconds = measure.seconds(act)
        yield Sample(pair, side.name, resources, step, round(seconds, 2), round(load, 1), away)
        if step == "create":
            _expect(cloud, census.expected(graph), f"after {side.name} has made the graph")
            left = census.projects(cloud)
    census.sweep(cloud, left)
    _expect(cloud, frozenset(), f"after {side.name} has removed the graph")


def in_turns(sides: Sequence[Side], graph: tuple[Tenant, ...], cloud: Connection, pairs: int, record: Path, away: bool = False) -> None:
    """Run the sides one after the other, so many times, and add each step to the record. Who begins changes from pair to pair."""
    begun = len({sample.pair for sample in read(record)})
    for turn in range(begun, begun + pairs):
        pair = time.strftime("%Y%m%d-%H%M%S")
        for side in sides if turn % 2 == 0 else reversed(sides):
            for sample in run(side, graph, cloud, pair, away):
                with record.open("a") as stream:
                    stream.write(json.dumps(asdict(sample)) + "\n")


def table(samples: list[Sample], other: str = "tofu", title: str = "OpenTofu") -> str:
    """A Markdown table for each size, cloud apart or not: medians of our side and the other, and of the ratios within the pairs."""
    lines = []
    for resources, away in sorted({(sample.resources, sample.apart) for sample in samples}):
        mine = [sample for sample in samples if (sample.resources, sample.apart) == (resources, away)]
        loads = [sample.load for sample in mine]
        where = ", cloud and tools apart" if away else ""
        lines += [f"{resources} resources{where}, load {min(loads):.1f} to {max(loads):.1f} when a step began:", ""]
        lines += [f"| step | lz, s | {title}, s | lz / {title} | pairs |", "| --- | ---: | ---: | ---: | ---: |"]
        for step, called in STEPS.items():
            pairs = list(_pairs(mine, step, other).values())
            if pairs:
                ratios = [ours / theirs for ours, theirs in pairs]
                told = [_told([one[index] for one in pairs], 1) for index in (0, 1)]
                lines.append(f"| {called} | {told[0]} | {told[1]} | {_told(ratios, 2)} | {len(pairs)} |")
        lines.append("")
    return "\n".join(lines)


def _pairs(samples: list[Sample], step: str, other: str) -> dict[str, tuple[float, float]]:
    """Seconds of both sides by pair, for pairs that are whole."""
    found: dict[str, dict[str, float]] = defaultdict(dict)
    for sample in samples:
        if sample.step == step:
            found[sample.pair][sample.side] = sample.seconds
    return {pair: (sides["lz"], sides[other]) for pair, sides in found.items() if {"lz", other} <= sides.keys()}


def _told(figures: list[float], digits: int) -> str:
    """The median, and least and most where there are several."""
    middle = f"{statistics.median(figures):.{digits}f}"
    return middle if len(figures) == 1 else f"{middle} ({min(figures):.{digits}f}-{max(figures):.{digits}f})"


def _expect(cloud: Connection, wanted: census.Found, when: str) -> None:
    found = census.take(cloud)
    wrong = [f"missing: {kind} {name}" for kind, name in sorted(wanted - found)]
    wrong += [f"there: {kind} {name}" for kind, name in sorted(found - wanted)]
    if wrong:
        cure = "remove what an earlier run has left: python -m benchmarks.graph.plain down"
        raise LzError(Problem(f"the cloud does not hold what it should {when}", why="\n".join(wrong[:12]), cure=cure))


def quietly(command: list[str]) -> None:
    """Run a step that tells nothing when all goes well."""
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, cwd=CHECKOUT)


def read(record: Path) -> list[Sample]:
    """What was recorded so far."""
    return [Sample(**json.loads(line)) for line in record.read_text().splitlines()] if record.exists() else []


def main() -> None:
    """Measure, and print the table of all that is recorded."""
    parser = words.comparison(__doc__, Path(tempfile.gettempdir()) / "lz-opentofu.jsonl")
    parser.add_argument("--parallel", type=int, help="calls of OpenTofu at once (its default: 10)")
    parser.add_argument("--show", action="store_true", help="only print the table")
    given = parser.parse_args()
    if not given.show:
        graph = describe(given.resources // TENANT_SIZE)
        entry = clouds.use([given.cloud])[given.cloud]
        cloud = clouds.connect(entry, given.region)
        with theirs(graph, given.cloud, given.region, given.parallel) as tofu:
            in_turns((ours(len(graph), given.cloud, given.region), tofu), graph, cloud, given.pairs, given.record, given.apart)
    print(f"{measure.machine()}\n\n{table(read(given.record))}")


if __name__ == "__main__":
    main()
