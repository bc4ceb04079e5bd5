"""Instances of the lab: seconds from the request to ACTIVE, to the first login, and to gone; alone and several at once.

Each round begins with `lz lab reset`, so that its first instance finds no image on the machine: what stands on the lab goes.

python -m benchmarks.instances --region north --rounds 3 --together 6
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from benchmarks import measure
from foundation.progress import Progress
from lab import cloud, lifecycle
from lab.settings import REGIONS, Region, places
from tests.support.playground import Box, Playground

REST = 30  # seconds after a reset: forty daemons have just started
INSIDE = {
    "200 forks": "time for i in $(seq 200); do /bin/true; done",
    "200,000 system calls": "time dd if=/dev/zero of=/dev/null bs=1 count=100000 status=none",
    "computing": "time python3 -c 'sum(i * i for i in range(3000000))'",
    "256 MiB to disk": "time dd if=/dev/zero of=/var/tmp/x bs=1M count=256 conv=fsync status=none; rm /var/tmp/x",
}


@contextmanager
def playground(region: Region) -> Iterator[Playground]:
    """A network, a key and what else instances need, for the block."""
    connection = cloud.connect(region, places())
    with tempfile.TemporaryDirectory() as folder, Playground(connection, f"bench-{os.getpid()}", Path(folder)) as ground:
        yield ground


def one(ground: Playground, name: str) -> Box:
    """Launch, wait for a login."""
    return ground.await_ssh(ground.await_active(ground.launch(name)))


def alone(ground: Playground, name: str) -> dict[str, float]:
    """One instance: seconds until each stage, and until it is gone."""
    box = one(ground, name)
    return {**box.seconds, "deleted": measure.seconds(lambda: ground.delete(box))}


def together(ground: Playground, number: int) -> dict[str, float]:
    """All asked for at once; seconds until the last of them."""
    with ThreadPoolExecutor(number) as pool:
        boxes = list(pool.map(lambda n: one(ground, f"together-{n}"), range(number)))
    last = {stage: max(box.seconds[stage] for box in boxes) for stage in ("active", "ssh")}
    for box in boxes:
        ground.delete(box)
    return last


def inside(ground: Playground, rounds: int) -> dict[str, list[float]]:
    """Seconds of small programs in an instance that does nothing else."""
    box = one(ground, "inside")
    ground.ssh(box, "sleep 10")
    found: dict[str, list[float]] = defaultdict(list)
    for _ in range(rounds):
        for name, program in INSIDE.items():
            found[name].append(float(ground.ssh(box, f"TIMEFORMAT=%R; {{ {program}; }} 2>&1").split()[-1]))
    ground.delete(box)
    return found


def measured(region: Region, rounds: int, number: int) -> tuple[dict[str, list[float]], list[float]]:
    """Seconds of each round by what they are of, and the load of the machine before each round. The lab must stand."""
    figures: dict[str, list[float]] = defaultdict(list)
    loads: list[float] = []

    def keep(what: str, seconds: Mapping[str, float]) -> None:
        for stage, value in seconds.items():
            figures[f"{what}: {stage}"].append(value)

    for _ in range(rounds):
        lifecycle.reset(Progress())
        time.sleep(REST)
        loads.append(os.getloadavg()[0])
        with playground(region) as ground:
            keep("the first, image not yet there", alone(ground, "first"))
            keep("one alone", alone(ground, "alone"))
            keep(f"{number} at once, the last", together(ground, number))
    with playground(region) as ground:
        figures.update({f"inside: {name}": values for name, values in inside(ground, rounds).items()})
    return figures, loads


def main(words: Iterable[str] | None = None) -> None:
    """Print the table as Markdown; the lab must stand."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--region", default="north", choices=sorted(REGIONS))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--together", type=int, default=6)
    chosen = parser.parse_args(list(words) if words is not None else None)
    header, standing = measure.machine(), lifecycle.standing(places())
    figures, loads = measured(REGIONS[chosen.region], chosen.rounds, chosen.together)
    lines = [
        header,
        f"Instances by {standing.compute if standing else 'nobody'}; load before each round: {', '.join(f'{load:.1f}' for load in loads)}",
    ]
    sys.stdout.write("\n".join([*lines, "", measure.table(("instances",), figures, "s"), ""]))


if __name__ == "__main__":
    main()
