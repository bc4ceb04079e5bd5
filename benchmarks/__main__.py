"""Run every benchmark, or the named ones, each in a process of its own.

python -m benchmarks [lab] [landing_zone] [opentofu] [lower_bound] [tenants] [instances] [image] [planning]
"""

from __future__ import annotations

import subprocess
import sys

ALL = ("lab", "landing_zone", "opentofu", "lower_bound", "tenants", "instances", "image", "planning")


def main() -> int:
    """0 when all ran to their end."""
    named = sys.argv[1:] or list(ALL)
    unknown = [name for name in named if name not in ALL]
    if unknown:
        sys.stderr.write(f"no such benchmark: {' '.join(unknown)}; there are: {' '.join(ALL)}\n")
        return 2
    failed = []
    for name in named:
        sys.stdout.write(f"\n## {name}\n")
        sys.stdout.flush()
        if subprocess.run([sys.executable, "-m", f"benchmarks.{name}"], check=False).returncode:
            failed.append(name)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
