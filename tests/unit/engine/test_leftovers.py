"""What an operation has started ends with it, and nothing else does."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from landing_zone.engine import leftovers
from tests.support.waiting import until

SECONDS = 10.0  # within which what has to end has ended
OWNER = """
import sys
from landing_zone.engine import leftovers

with leftovers.swept() as mark:
    print(mark[leftovers.MARK], flush=True)
    sys.stdin.read()
"""
Started = subprocess.Popen[bytes]


@contextlib.contextmanager
def sleeper(variables: Mapping[str, str]) -> Iterator[Started]:
    """A process out of reach of signals to our group."""
    with subprocess.Popen(["sleep", "600"], env={**os.environ, **variables}, start_new_session=True) as started:
        try:
            environ = Path(f"/proc/{started.pid}/environ")
            until(lambda: environ.read_bytes() != b"", SECONDS, 0.01)  # the kernel shows it a moment after Popen has its process
            yield started
        finally:
            started.kill()


@pytest.fixture
def strangers() -> Iterator[list[Started]]:
    """Processes of nobody, and of another operation."""
    with sleeper({}) as unmarked, sleeper({leftovers.MARK: "0" * 32}) as other:
        yield [unmarked, other]


def all_live(processes: list[Started]) -> bool:
    return all(process.poll() is None for process in processes)


def test_what_was_started_ends_with_the_block(strangers: list[Started]) -> None:
    with contextlib.ExitStack() as stack:
        with leftovers.swept() as mark:
            started = stack.enter_context(sleeper(mark))
        assert started.wait(SECONDS) < 0
        assert all_live(strangers)


def test_what_was_started_ends_with_a_killed_owner(strangers: list[Started]) -> None:
    variables = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    words = [sys.executable, "-c", OWNER]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=variables) as owner:
        assert owner.stdout
        mark = {leftovers.MARK: owner.stdout.readline().strip()}
        with sleeper(mark) as started:
            owner.kill()
            assert started.wait(SECONDS) < 0
        time.sleep(leftovers.LINGER / 4)
        with sleeper(mark) as late:  # what was about to start when its owner was killed
            assert late.wait(SECONDS) < 0
    assert all_live(strangers)


@pytest.fixture
def interruptible() -> Iterator[None]:
    """What we start hears an interrupt, also when the shell that started us in the background had us ignore it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("interruptible")
def test_only_the_named_program_of_an_operation_is_interrupted(strangers: list[Started]) -> None:
    mark = "1" * 32
    with sleeper({leftovers.MARK: mark}) as started:
        assert leftovers.interrupt(mark, "pulumi") == 0
        assert started.poll() is None
        assert leftovers.interrupt(mark, "sleep") == 1
        assert started.wait(SECONDS) == -signal.SIGINT
        assert all_live(strangers)
