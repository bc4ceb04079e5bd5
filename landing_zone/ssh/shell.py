"""Run a program on a host by OpenSSH, with the environment's configuration and nothing of the user's own."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path

from foundation.errors import LzError, Problem
from foundation.process import CommandFailed, run
from landing_zone.engine.home import Home

SSH_FAILED = 255  # ssh's own exit status when it could not get in


def on_host(
    home: Home, name: str, command: Sequence[str], *, stdin: str | None = None, timeout: float = 60.0, config: Path | None = None
) -> str:
    """Run a program on a host and return what it wrote. `config`: another ssh_config than the environment's.

    Raises LzError when the host cannot be entered, TimedOut after `timeout` seconds, CommandFailed when the program ends badly there.
    """
    words = ["ssh", "-F", str(config or home.ssh_config), "-o", "BatchMode=yes", "-T", name, "--", shlex.join(command)]
    try:
        return run(words, stdin=stdin, timeout=timeout)
    except CommandFailed as error:
        if error.status != SSH_FAILED:
            raise
        raise LzError(
            Problem(
                f"cannot enter {name} by SSH",
                where=str(config or home.ssh_config),
                why="\n".join(error.output.strip().splitlines()[-4:]),
                cure="is it running, and is its key the pinned one? A key that changed is refused on purpose: see docs/operations.md",
            )
        ) from None
