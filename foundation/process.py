"""Run other programs: output to a log or back to the caller, and an error that says what to look at."""

from __future__ import annotations

import errno
import os
import shlex
import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TextIO

from foundation.errors import DISK_FULL_CURE, LzError, Problem


class CommandFailed(LzError):
    """A program ended with another exit status than 0; `status` and `output` have what it said."""

    def __init__(self, problem: Problem, status: int, output: str) -> None:
        super().__init__(problem)
        self.status = status
        self.output = output


class TimedOut(LzError):
    """A program had not ended when its time was over, and was ended."""


def run(
    command: Sequence[str | Path],
    *,
    log: Path | None = None,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    stdin: str | None = None,
    timeout: float | None = None,
    cure: str = "",
) -> str:
    """Run to the end and return standard output.

    With `log`, all output is appended there instead and "" is returned. `env` is added to our own environment; a secret
    goes there or to `stdin`, never into `command`. Raises CommandFailed (the last 12 lines in it), TimedOut when `timeout`
    seconds have passed, or LzError when the program is missing.
    """
    words = [str(word) for word in command]
    shown = shlex.join(words)[:300]
    full_env = {**os.environ, **env} if env is not None else None

    def execute(out: int | TextIO) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            words, input=stdin, env=full_env, cwd=cwd, timeout=timeout, text=True, check=False, stdout=out, stderr=out, errors="replace",
            stdin=subprocess.DEVNULL if stdin is None else None,
        )  # fmt: skip

    try:
        if log is None:
            done = execute(subprocess.PIPE)
            output, error = done.stdout, done.stderr
        else:
            done, error = _logged(execute, log, shown)
            output = ""
    except FileNotFoundError as problem:
        raise LzError(Problem(f"the program {words[0]!r} is missing", why=str(problem), cure=cure or f"install {words[0]}")) from None
    except subprocess.TimeoutExpired:
        raise TimedOut(Problem(f"no end after {timeout:.0f} s: {shown}", where=str(log or ""), cure=cure)) from None
    if done.returncode:
        tail = "\n".join((error or output).strip().splitlines()[-12:])
        if os.strerror(errno.ENOSPC) in tail:
            cure = DISK_FULL_CURE
        raise CommandFailed(
            Problem(f"exit status {done.returncode}: {shown}", where=str(log or ""), why=tail, cure=cure), done.returncode, output + error
        )
    return output


def _logged(
    execute: Callable[[TextIO], subprocess.CompletedProcess[str]], log: Path, shown: str
) -> tuple[subprocess.CompletedProcess[str], str]:
    """The process, and what it said, which is appended to `log` behind the command."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("a") as stream:
        stream.write(f"$ {shown}\n")
        stream.flush()
        start = stream.tell()
        done = execute(stream)
    with log.open(errors="replace") as stream:
        stream.seek(start)
        return done, stream.read()
