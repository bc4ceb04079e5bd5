"""The one kind of error that users see: what, where, why and the cure, every problem at once."""

from __future__ import annotations

import errno
import os
import sys
import traceback
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong.

    what: one sentence. where: file:line, key, host or resource ("" when it has no place).
    why: the cause as far as known. cure: what the reader does next.
    """

    what: str
    where: str = ""
    why: str = ""
    cure: str = ""

    def __str__(self) -> str:
        lines = [self.what]
        for label, text in (("where", self.where), ("why", self.why), ("cure", self.cure)):
            if text:
                head, *rest = text.splitlines()
                lines.append(f"  {label + ':':<7}{head}")
                lines.extend(f"         {line}" for line in rest)
        return "\n".join(lines)


DISK_FULL = "no space is left on the disk"
DISK_FULL_CURE = "free some, or name a folder on another disk in $LZ_CACHE; then run the same command again: it goes on where it stopped"
FORBIDDEN = {errno.EACCES, errno.EPERM, errno.EROFS}
NOT_LET = "this account may not read or write there"
NOT_LET_CURE = "run it as an account that may, or name another place; the cache's folder is $LZ_CACHE"
STOPPED = Problem("stopped", cure="run the same command again: it goes on where it stopped")
INTERRUPTED = 130  # exit code after Ctrl-C
FAULT = 70  # exit code after what nobody foresaw
DEBUG = "LZ_DEBUG"  # a variable, since `make` hands on no flags


class LzError(Exception):
    """Carries every problem found; the command line prints them as one block and exits with `exit_code`."""

    exit_code = 1

    def __init__(self, *problems: Problem | str, exit_code: int | None = None) -> None:
        if exit_code is not None:
            self.exit_code = exit_code
        self.problems = tuple(Problem(p) if isinstance(p, str) else p for p in problems)
        super().__init__("\n".join(str(p) for p in self.problems))


class InputError(LzError):
    """The user's file, flag or machine is not fit; nothing has been changed."""

    exit_code = 2


class BusyError(LzError):
    """Another run holds the lock."""

    exit_code = 3


def explained(error: BaseException) -> tuple[Sequence[Problem], int] | None:
    """Problems and exit code of what may end any program of ours; None: it is a fault."""
    if isinstance(error, LzError):
        return error.problems, error.exit_code
    if isinstance(error, KeyboardInterrupt):
        return (STOPPED,), INTERRUPTED
    if isinstance(error, OSError) and error.errno == errno.ENOSPC:
        return (Problem(DISK_FULL, where=str(error.filename or ""), cure=DISK_FULL_CURE),), 1
    if isinstance(error, OSError) and error.errno in FORBIDDEN and error.filename:
        return (Problem(NOT_LET, where=str(error.filename), why=error.strerror or "", cure=NOT_LET_CURE),), 1
    return None


def fault(error: BaseException, debug: str) -> tuple[Sequence[Problem], int]:
    """Problem and exit code of an error that nobody foresaw. debug: with what a run shows where it came from."""
    why = f"{type(error).__name__}: {error}"
    return (Problem("this is a fault of lz itself", why=why, cure=f"run it again with {debug}, and report what it says"),), FAULT


def debugging() -> bool:
    """Whether the user has asked by variable for the traceback of an error."""
    return bool(os.environ.get(DEBUG))


def exit_code(work: Callable[[], int]) -> int:
    """What a small program ends with: what `work` returns, or the code of an error, which is told as one block on standard error."""
    try:
        return work()
    except (Exception, KeyboardInterrupt) as error:  # the last place that can put it into words
        problems, code = explained(error) or fault(error, f"{DEBUG}=1 before it")
        if debugging():
            traceback.print_exception(error)
    sys.stderr.write("".join(f"{problem}\n" for problem in problems))
    return code


def raise_all(problems: Iterable[Problem], kind: type[LzError] = InputError) -> None:
    """Raise one error with all of `problems`; do nothing when there are none."""
    found = tuple(problems)
    if found:
        raise kind(*found)
