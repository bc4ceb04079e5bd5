"""Lines that a person pastes into a shell."""

from __future__ import annotations

import re
import shutil
import sys
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from foundation.errors import Problem


def callable_here(line: str) -> str:
    """The line with every `lz` as this shell can call it: by its name when that finds us, else by its path."""
    ours = Path(sys.executable).with_name("lz")
    found = shutil.which("lz")
    if found and Path(found).resolve() == ours.resolve():
        return line
    return re.sub(r"(?<![\w./-])lz(?= )", str(_from_here(ours)), line)


def told(problem: Problem) -> str:
    """A problem as a person reads it, with a cure that can be pasted."""
    return str(replace(problem, cure=callable_here(problem.cure)))


def _from_here(path: Path) -> Path:
    with suppress(FileNotFoundError, ValueError):  # the folder one stands in may be gone, or be no parent
        return path.relative_to(Path.cwd())
    return path
