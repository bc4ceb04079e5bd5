"""Running `lz` as a user does."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path

import pytest

from foundation.places import CHECKOUT

LZ = str(CHECKOUT / ".venv/bin/lz")


def lz(*words: str, timeout: float = 1500, clouds: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run `lz`; `clouds`: the clouds.yaml that it is told to use."""
    variables = {**os.environ, "OS_CLIENT_CONFIG_FILE": str(clouds)} if clouds else None
    return subprocess.run([LZ, *words], check=False, capture_output=True, text=True, timeout=timeout, env=variables)


def start(*words: str) -> subprocess.Popen[str]:
    """Start `lz` in a process group of its own, to be read while it runs and killed with all that it started."""
    return subprocess.Popen([LZ, *words], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, start_new_session=True)


def read_until(process: subprocess.Popen[str], words: str) -> None:
    """Wait until it says these words on standard error; the test fails when it ends without them."""
    assert process.stderr
    said = []
    for line in process.stderr:
        said.append(line)
        if words in line:
            return
    pytest.fail(f"{words!r} was never said:\n{''.join(said[-20:])}")


def kill(process: subprocess.Popen[str]) -> str:
    """Kill the whole process group at once; returns what it said on standard error since it was last read."""
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert process.stderr
    return process.stderr.read()


def killed_after(process: subprocess.Popen[str], seconds: float) -> bool:
    """Kill the whole process group after so many seconds; False when it has ended by itself before."""
    try:
        process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        kill(process)
        return True
    return False
