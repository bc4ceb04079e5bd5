"""Loading and planning an environment of many tenants: seconds and memory, each the median of several fresh processes.

python -m benchmarks.planning --tenants 10000 --times 3
"""

from __future__ import annotations

import argparse
import json
import resource
import sys
import tempfile
import time
from pathlib import Path

import yaml

from benchmarks.measure import machine, table
from foundation import process
from foundation.places import CHECKOUT
from landing_zone.model import load
from landing_zone.model.document import read
from landing_zone.planners import plan
from landing_zone.planners.capacity import plan_capacity

_SUPERNETS = ({"ipv4": "10.0.0.0/9", "ipv6": "fd00::/32"}, {"ipv4": "10.128.0.0/9", "ipv6": "fd01::/32"})
_SIZES = {"platform_ipv4": 16, "tenant_ipv4": 24, "zone_ipv4": 28}
_LARGEST = 10_000_000


def write_environment(folder: Path, tenants: int) -> Path:
    """A level-3 environment with two regions and `tenants` tenants in a register, 24-bit slots out of two /9."""
    data = read(CHECKOUT / "environments" / "regional-dc.yaml").data
    for region, addresses in zip(data["regions"], _SUPERNETS, strict=True):
        region["addresses"] = addresses
        region["capacity"] = dict.fromkeys(region["capacity"], _LARGEST)
    for key in ("ram_gib", "volume_gib", "backup_gib", "object_gib"):
        data["quota_profiles"][0][key] = 100
    data["addressing"] = _SIZES
    data["verification"]["probes"] = "none"
    data["tenants"] = "INCLUDE"
    path = folder / "many.yaml"
    path.write_text(yaml.safe_dump(data, allow_unicode=True).replace("tenants: INCLUDE", "tenants: !include many.csv"), encoding="utf-8")
    rows = [f"t{number},T-{number},Cơ quan {number},Agency {number},3" for number in range(tenants)]
    (folder / "many.csv").write_text("\n".join(["code,dti_code,name.vi,name.en,level", *rows]), encoding="utf-8")
    return path


def measure_once(path: Path, whole: bool) -> dict[str, float]:
    """Seconds of each part and peak memory (MiB) of this process; `whole` plans every resource too."""
    began = time.perf_counter()
    environment = load(path)
    loaded = time.perf_counter()
    _, ledger = plan_capacity(environment)
    first = time.perf_counter()
    plan_capacity(environment, ledger)
    found = {"load": loaded - began, "addresses and quotas": first - loaded, "again with the ledger": time.perf_counter() - first}
    if whole:
        before = time.perf_counter()
        plan(environment, ledger)
        found["whole plan"] = time.perf_counter() - before
    found["processor time of all"] = time.process_time()
    found["peak memory"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return found


def main() -> None:
    """Measure in fresh processes and print a table."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--tenants", type=int, default=10_000)
    arguments.add_argument("--times", type=int, default=3)
    arguments.add_argument("--whole", action="store_true", help="also plan every resource of every tenant")
    arguments.add_argument("--measure", type=Path, help=argparse.SUPPRESS)
    given = arguments.parse_args()
    if given.measure:
        print(json.dumps(measure_once(given.measure, given.whole)))
        return
    print(f"{machine()}; {given.tenants} tenants in two regions\n")
    with tempfile.TemporaryDirectory() as folder:
        path = write_environment(Path(folder), given.tenants)
        command = [sys.executable, "-m", "benchmarks.planning", "--measure", str(path), *(["--whole"] if given.whole else [])]
        runs = [json.loads(process.run(command, cwd=CHECKOUT)) for _ in range(given.times)]
    memory = {"peak memory": [run.pop("peak memory") for run in runs]}
    print(table(("planning",), {key: [run[key] for run in runs] for key in runs[0]}, "seconds"))
    print("\n" + table(("memory",), memory, "MiB"))


if __name__ == "__main__":
    main()
