"""Install the Debian/Ubuntu packages that the host lacks. Standard library only: it runs before anything is installed."""

from __future__ import annotations

import os
import platform
import shutil
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from foundation import files, process, repository
from foundation.errors import InputError, LzError, Problem, exit_code
from foundation.places import CHECKOUT, cache
from foundation.process import CommandFailed

PACKAGES_FILE = CHECKOUT / "tools" / "host-packages.txt"
LOCKED = "Could not get lock"
PATIENCE = 600.0  # seconds: a machine that has just been set up installs its updates by itself, and meanwhile nobody else can
PAUSE = 2.0


def missing(wanted: Sequence[str], state: str) -> list[str]:
    """Those of `wanted` that are not installed, by the output of dpkg-query with "PACKAGE STATUS" lines."""
    there = {name.partition(":")[0] for name, _, status in (line.partition(" ") for line in state.splitlines()) if status == "installed"}
    return [name for name in wanted if name not in there]


def dpkg_state() -> str:
    """Every package that dpkg knows with its status."""
    if not shutil.which("dpkg-query"):
        raise InputError(
            Problem(
                "this is not Debian or Ubuntu",
                why="there is no dpkg-query",
                cure=f"use Debian or Ubuntu; what the host needs stands in {PACKAGES_FILE.relative_to(CHECKOUT)}",
            )
        )
    return process.run(["dpkg-query", "-W", "-f", "${Package} ${db:Status-Status}\n"])


def release() -> str:
    """Code name of this machine's release of Debian or Ubuntu, such as "bookworm"."""
    return platform.freedesktop_os_release().get("VERSION_CODENAME", "unknown")


def is_ubuntu() -> bool:
    """Whether this machine has its packages from Ubuntu."""
    return platform.freedesktop_os_release().get("ID") == "ubuntu"


def ensure(wanted: Sequence[str]) -> list[str]:
    """Install those of `wanted` that are missing and return their names. Raises LzError when that cannot be done.

    They come from the packages that a bundle brought for this release, where there are some, else from the machine's own sources.
    """
    lacking = missing(wanted, dpkg_state())
    if not lacking:
        return []
    command = ["apt-get", "install", "-y", "-q", "--no-install-recommends", *lacking]
    if os.geteuid() != 0:
        raise InputError(
            Problem(
                f"the host lacks {', '.join(lacking)}",
                why="only root can install packages",
                cure=f"run as root, or first: sudo {' '.join(command)}",
            )
        )
    sys.stderr.write(f"installing on this host: {' '.join(lacking)}\n")
    cure = "check that the Debian mirror answers (apt-get update), then run again"
    source = repository.source(release())
    with tempfile.TemporaryDirectory() as folder:
        only: list[str] = []
        if source:
            only = only_from(source, Path(folder))
            cure = f"remove {repository.place(release())}, then packages come from this machine's own sources"
        _apt(["apt-get", "update", "-q", *only], cure)
        _apt([*command, *only], cure)
    return lacking


def _apt(command: Sequence[str], cure: str) -> None:
    """Run apt-get, again and again as long as another program holds one of its locks; it would not wait for all of them itself."""
    log = cache("tools", "logs") / "host.log"
    env = {"DEBIAN_FRONTEND": "noninteractive", "NEEDRESTART_SUSPEND": "1", "LC_ALL": "C"}
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            process.run(command, log=log, env=env, cure=cure)
        except CommandFailed as failed:
            if LOCKED not in failed.output:
                raise
            if time.monotonic() > deadline:
                why, wait = failed.problems[0].why, "wait until that process has ended, then run again"
                raise LzError(Problem("another program installs packages on this machine", where=str(log), why=why, cure=wait)) from None
            time.sleep(PAUSE)
        else:
            return


def only_from(source: str, folder: Path) -> list[str]:
    """Words for apt-get with which it knows one source and no other; what it learns of it goes into `folder`."""
    listing = folder / "sources.list"
    listing.write_text(f"{source}\n")
    lists = folder / "lists"  # apart: apt removes from it whatever it does not know
    lists.mkdir()
    settings = {"Dir::Etc::SourceList": listing, "Dir::Etc::SourceParts": "-", "Dir::State::Lists": lists, "APT::Sandbox::User": "root"}
    return [f"-o{name}={value}" for name, value in settings.items()]


def main() -> int:
    """Command line: `python3 -m tools.host`."""
    ensure(files.lines(PACKAGES_FILE))
    return 0


if __name__ == "__main__":
    sys.exit(exit_code(main))
