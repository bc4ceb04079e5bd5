"""Working on an environment without `lz`: a shell with the lines of `lz env`, and Pulumi as an official installation has it."""

from __future__ import annotations

import shlex
import shutil
import subprocess
import sys
from pathlib import Path

from foundation.places import CHECKOUT
from foundation.progress import Progress
from tests.support import language_host
from tests.support.command import LZ
from tools import engine

PYTHON = Path(sys.executable)


def pulumi_in(folder: Path) -> Path:
    """A folder of programs: the engine that is installed, with the language host of tests beside it, where it looks for one."""
    programs = folder / "bin"
    programs.mkdir()
    shutil.copy2(engine.install(Progress()).bin / "pulumi", programs)
    host = programs / "pulumi-language-python"
    host.write_text(f'#!/bin/sh\nexec {shlex.quote(str(PYTHON))} -P {shlex.quote(str(language_host.__file__))} "$@"\n')
    host.chmod(0o755)
    return programs


def without_lz(environment: str, command: str, programs: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run the command of a shell in the checkout, with the lines of `lz env`; `programs`: a folder that is looked into first."""
    lines = subprocess.run([LZ, "env", "--env", environment], check=True, capture_output=True, text=True).stdout
    path = f'export PATH={shlex.quote(str(programs))}:"$PATH"\n' if programs else ""
    script = f"{lines}\n{path}{command}"
    words = ["bash", "-c", script]
    return subprocess.run(words, check=False, capture_output=True, text=True, cwd=CHECKOUT, stdin=subprocess.DEVNULL)
