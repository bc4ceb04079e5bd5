"""Lines that a person pastes into a shell."""

from __future__ import annotations

import re
import shutil
import sys
from pathlib import Path


def callable_here(line: str) -> str:
    """The line with every `lz` as this shell can call it: by its name when that finds us, else by its path."""
    ours = Path(sys.executable).with_name("lz")
    found = shutil.which("lz")
    if found and Path(found).resolve() == ours.resolve():
        return line
    here = Path.cwd()
    path = ours.relative_to(here) if ours.is_relative_to(here) else ours
    return re.sub(r"(?<![\w./-])lz(?= )", str(path), line)
