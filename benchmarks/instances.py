"""Instances of the lab: seconds from the request to ACTIVE, to the first login, and to gone; alone and several at once.

python -m benchmarks.instances --region north --times 3 --together 6
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from lab import cloud, lifecycle
from lab.settings import REGIONS, places
from tests.support.playground import Box, Playground

INSIDE = {
    "200 forks": "time for i in $(seq 200); do /bin/true; done",
    "200,000 system calls": "time dd if=/dev/zero of=/dev/null bs=1 count=100000 status=none",
    "computing": "time python3 -c 'sum(i * i for i in range(3000000))'",
    "256 MiB to disk": "time dd if=/dev/zero of=/var/tmp/x bs=1M count=256 conv=fsync status=none; rm /var/tmp/x",
}


def one(ground: Playground, name: str) -> Box:
    """Launch, wait for a login."""
    return ground.await_ssh(ground.await_active(ground.launch(name)))


def timed(act: Callable[[], object]) -> float:
    began = time.monotonic()
    act()
    return time.monotonic() - began


def alone(ground: Playground, times: int) -> dict[str, float]:
    """Medians over `times` instances, one after the other."""
    found: dict[str, list[float]] = {"active": [], "ssh": [], "deleted": []}
    for number in range(times):
        box = one(ground, f"alone-{number}")
        for stage, seconds in box.seconds.items():
            found[stage].append(seconds)
        found["deleted"].append(timed(lambda box=box: ground.delete(box)))  # type: ignore[misc]
    return {stage: round(statistics.median(values), 1) for stage, values in found.items()}


def together(ground: Playground, number: int) -> dict[str, float]:
    """All asked for at once; seconds until the last of them."""
    with ThreadPoolExecutor(number) as pool:
        boxes = list(pool.map(lambda n: one(ground, f"together-{n}"), range(number)))
    last = {stage: round(max(box.seconds[stage] for box in boxes), 1) for stage in ("active", "ssh")}
    for box in boxes:
        ground.delete(box)
    return last


def inside(ground: Playground) -> dict[str, float]:
    """Seconds of small programs in an instance that does nothing else."""
    box = one(ground, "inside")
    ground.ssh(box, "sleep 10")
    found = {}
    for name, program in INSIDE.items():
        output = ground.ssh(box, f"TIMEFORMAT=%R; {{ {program}; }} 2>&1")
        found[name] = float(output.split()[-1])
    ground.delete(box)
    return found


def main(words: Iterable[str] | None = None) -> None:
    """Print one JSON object; the lab must stand."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--region", default="north", choices=sorted(REGIONS))
    parser.add_argument("--times", type=int, default=3)
    parser.add_argument("--together", type=int, default=6)
    chosen = parser.parse_args(list(words) if words is not None else None)
    standing = lifecycle.standing(places())
    connection = cloud.connect(REGIONS[chosen.region], places())
    with tempfile.TemporaryDirectory() as folder, Playground(connection, f"bench-{os.getpid()}", Path(folder)) as ground:
        report = {
            "compute": standing.compute if standing else None,
            "load before": os.getloadavg()[0],
            "first (image not yet in the cache)": alone(ground, 1),
            f"median of {chosen.times}": alone(ground, chosen.times),
            f"{chosen.together} at once, the last": together(ground, chosen.together),
            "inside": inside(ground),
        }
    print(json.dumps(report, indent=1))


if __name__ == "__main__":
    main()
