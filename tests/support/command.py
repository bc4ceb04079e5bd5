"""Running `lz` as a user does."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from foundation.places import CHECKOUT

LZ = str(CHECKOUT / ".venv/bin/lz")


def lz(*words: str, timeout: float = 1500, clouds: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run `lz`; `clouds`: the clouds.yaml that it is told to use."""
    variables = {**os.environ, "OS_CLIENT_CONFIG_FILE": str(clouds)} if clouds else None
    return subprocess.run([LZ, *words], check=False, capture_output=True, text=True, timeout=timeout, env=variables)
