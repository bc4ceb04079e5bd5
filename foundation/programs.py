"""Programs that this machine must have, and the Debian packages that they come with."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Mapping

from foundation.errors import Problem


def absent(programs: Mapping[str, str]) -> list[str]:
    """Packages of those programs (program -> package) that are not here; sorted, each once."""
    return sorted({package for program, package in programs.items() if not shutil.which(program)})


def lacking(what: str, packages: Iterable[str]) -> list[Problem]:
    """One problem that tells which packages to install; none when there are no packages. what: who lacks them, a sentence."""
    names = " ".join(sorted(set(packages)))
    return [Problem(what, why=f"missing: {names}", cure=f"apt-get install {names}")] if names else []
