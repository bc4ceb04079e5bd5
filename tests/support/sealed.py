"""A machine without a network: a fresh copy of the project, in a network namespace of its own.

It has a loopback and a default route to where nobody is, as a machine of a closed network has: Debian's nova-common cannot be
configured without one.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from foundation.places import CHECKOUT
from lab import debian

WITHOUT_NETWORK = ("unshare", "--net", *(() if os.geteuid() == 0 else ("--map-root-user",)))
WITHOUT_NETWORK += (
    "sh", "-c",
    "ip link set lo up && ip link add lan type veth peer name nobody && ip address add 192.0.2.1/24 dev lan"
    ' && ip link set nobody up && ip link set lan up && ip route add default via 192.0.2.254 && exec "$@"',
    "sh",
)  # fmt: skip


@dataclass(frozen=True)
class Sealed:
    """copy: of the project, without what was made in it. cache: its own, empty. variables: added to the environment."""

    copy: Path
    cache: Path
    variables: dict[str, str]

    def run(self, *command: str | Path) -> subprocess.CompletedProcess[str]:
        """Run a command in the copy, in a network namespace of its own."""
        env = {name: value for name, value in os.environ.items() if name != debian.MIRROR} | self.variables
        return subprocess.run([*WITHOUT_NETWORK, *command], cwd=self.copy, env=env, text=True, capture_output=True, check=False)

    def source(self, release: str) -> str:
        """The line for apt with which the packages of a release come from the bundle that was installed."""
        return f"deb [trusted=yes] copy:{self.cache}/packages/{release} ./"

    def python(self, program: str) -> subprocess.CompletedProcess[str]:
        """Run a program by the copy's own Python."""
        return self.run(".venv/bin/python", "-c", program)


def sealed(folder: Path, **variables: str) -> Sealed:
    """A fresh copy with an empty cache, both below `folder`; nothing that is installed on this machine is found."""
    copy, cache = fresh_copy(folder / "copy"), folder / "cache"
    own = {"LZ_CACHE": str(cache), "PULUMI_HOME": str(folder / "none"), "PYTHON": sys.executable, "PIP_RETRIES": "0"}
    return Sealed(copy, cache, own | variables)


def fresh_copy(folder: Path) -> Path:
    """The project as in a fresh clone, with what is not committed yet; made at `folder`."""
    return shutil.copytree(CHECKOUT, folder, ignore=shutil.ignore_patterns(".git", ".venv*", ".*_cache", "__pycache__"))
