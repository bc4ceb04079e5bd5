"""Workers of orders on stacks: each order has a process of its own, whatever the one before it has left behind in its own."""

from __future__ import annotations

import gc
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import pulumi
import pulumi_openstack as openstack
import pytest
from pulumi.runtime.proto.engine_pb2 import LogRequest, LogSeverity
from pulumi.runtime.settings import get_engine
from pulumi_openstack import networking

from foundation.errors import LzError
from foundation.places import CHECKOUT
from landing_zone.engine.crew import hired
from landing_zone.engine.events import Task, Tick
from landing_zone.engine.home import Home
from landing_zone.engine.stack import Outcome, StackKey, Stacks
from landing_zone.engine.stores.folder import Folder

KEY = StackKey("unit", "north", "identity")
left_behind: list[int] = []


class Ears:
    """A listener that keeps the names of what has begun."""

    def __init__(self) -> None:
        self.heard: list[str] = []

    def begun(self, task: Task) -> None:
        self.heard.append(task.operation)

    def ticked(self, tick: Tick) -> None:
        pass

    def ended(self, stack: str, good: bool, seconds: float) -> None:
        pass


@pytest.fixture
def stacks(tmp_path: Path) -> Stacks:
    home = Home(tmp_path)
    return Stacks(home, Folder(home.backend), listener=Ears())


def fails(_: Stacks) -> Outcome:
    """As a run that failed leaves the engine's library: with things of its event loop in lists of the process."""
    left_behind.append(os.getpid())
    raise LzError("no luck")


def tells(stacks: Stacks) -> Outcome:
    """What it finds in its process."""
    assert stacks.listener is not None
    stacks.listener.begun(Task(KEY.name, "preview", 0))
    return Outcome(KEY, "preview", {}, tuple(map(str, left_behind)), False, os.getpid(), 0.0)


def collects(_: Stacks) -> Outcome:
    """Whether garbage is collected in its process."""
    return Outcome(KEY, "preview", {}, (), gc.isenabled(), 0, 0.0)


def makes_a_network(stacks: Stacks) -> Outcome:
    """A preview, and the parts of the provider's library that were in its process before."""
    parts = {name.split(".")[1] for name in sys.modules if name.startswith("pulumi_openstack.") and name.count(".") == 2}

    def program() -> None:
        cloud = openstack.Provider("nobody", auth_url="http://127.0.0.1:9")
        networking.Network("a", opts=pulumi.ResourceOptions(provider=cloud))

    return replace(stacks.preview(KEY, program), details=tuple(parts))


def talks(stacks: Stacks) -> Outcome:
    """The severities of what its program says to the engine."""
    said: list[str] = []

    def program() -> None:
        engine = get_engine()
        assert engine is not None
        send = engine.Log

        def noted(message: LogRequest) -> object:
            said.append(LogSeverity.Name(message.severity))
            return send(message)

        engine.Log = noted
        pulumi.ComponentResource("lz:test:Part", "a")
        pulumi.log.warn("to be heard")

    return replace(stacks.preview(KEY, program), details=tuple(said))


def makes(stacks: Stacks) -> Outcome:
    """A stack with one resource."""

    def program() -> None:
        pulumi.ComponentResource("lz:test:Part", "a")

    return stacks.up(KEY, program)


def killed(_: Stacks) -> Outcome:
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError


def noisy(_: Stacks) -> Outcome:
    """As a library that prints what it makes of things, in Python and below it."""
    print("Traceback", file=sys.stderr, flush=True)
    os.write(2, b"of a library")
    return Outcome(KEY, "preview", {}, (), False, 0, 0.0)


def waits(_: Stacks) -> Outcome:
    """Says that it is at work, and goes on for ever."""
    print(tempfile.mkdtemp(), flush=True)
    time.sleep(600)
    raise AssertionError


RUN = """
import sys
from pathlib import Path
from landing_zone.engine.crew import hired
from landing_zone.engine.home import Home
from landing_zone.engine.stack import Stacks
from landing_zone.engine.stores.folder import Folder
from tests.engine.test_crew import noisy, waits
home = Home(Path(sys.argv[1]))
with home.alone(), hired(Stacks(home, Folder(home.backend))) as crew:
    crew.do({})
"""


def test_an_order_finds_nothing_of_one_that_failed_before_it(stacks: Stacks) -> None:
    with hired(stacks) as crew:
        for _ in range(3):
            with pytest.raises(LzError, match="no luck"):
                crew.do(fails)
        assert crew.do(tells).details == ()


def test_each_order_has_a_process_of_its_own_and_is_heard(stacks: Stacks) -> None:
    with hired(stacks) as crew:
        workers = {crew.do(tells).resources for _ in range(2)}
    assert len(workers | {os.getpid()}) == 3
    assert isinstance(stacks.listener, Ears)
    assert stacks.listener.heard == ["preview", "preview"]


def test_no_worker_collects_garbage(stacks: Stacks) -> None:
    with hired(stacks) as crew:
        assert not crew.do(collects).changed


def test_no_worker_has_to_import_the_providers_library(stacks: Stacks) -> None:
    """What components and stacks take from it is there, and works."""
    sources = [file.read_text() for folder in ("components", "stacks") for file in (CHECKOUT / folder).glob("*.py")]
    lines = [line for text in sources for line in re.findall(r"^from pulumi_openstack import (.+)$", text, re.MULTILINE)]
    used = {part.split(" as ")[0] for line in lines for part in line.split(", ")}
    assert "networking" in used
    with hired(stacks) as crew:
        done = crew.do(makes_a_network)
    assert done.good, done.problems
    assert used - set(done.details) == set()


def test_the_engine_is_told_what_the_program_says_and_not_every_step_of_the_library(stacks: Stacks) -> None:
    with hired(stacks) as crew:
        assert crew.do(talks).details == ("WARNING",)


def test_no_state_has_the_calls_that_made_a_resource(stacks: Stacks) -> None:
    with hired(stacks) as crew:
        assert crew.do(makes).good
    made = stacks.latest(KEY)["resources"]
    assert [one["urn"].rpartition("::")[2] for one in made if one["type"] == "lz:test:Part"] == ["a"]
    assert not any({"stackTrace", "sourcePosition"} & set(one) for one in made)


def test_a_worker_that_is_killed_is_told_and_the_next_order_is_carried_out(stacks: Stacks) -> None:
    with hired(stacks) as crew:
        with pytest.raises(LzError, match="ended from outside"):
            crew.do(killed)
        assert crew.do(tells).details == ()


def test_a_run_that_is_killed_leaves_nothing_outside_its_home_and_the_next_one_removes_the_rest() -> None:
    with tempfile.TemporaryDirectory(prefix="lz") as name:
        outside, home = Path(name, "tmp"), Home(Path(name, "home"))
        for folder in (outside, home.root):
            folder.mkdir()
        settings = {**os.environ, "TMPDIR": str(outside)}
        run = subprocess.Popen(
            [sys.executable, "-c", RUN.format("waits"), home.root], cwd=CHECKOUT, env=settings, stdout=subprocess.PIPE, text=True
        )
        assert run.stdout is not None
        of_worker = Path(run.stdout.readline().strip())
        run.kill()
        run.communicate()
        left = home.root / "tmp" / str(run.pid)
        assert of_worker.parent == left
        assert [path.name.partition("-")[0] for path in sorted(left.iterdir())] == ["pymp", of_worker.name]
        assert list(outside.iterdir()) == []
        with home.alone():
            assert not left.exists()


def test_what_a_library_prints_in_a_worker_goes_to_a_log(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-c", RUN.format("noisy"), tmp_path], check=False, cwd=CHECKOUT, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert Home(tmp_path).log("workers").read_text() == "Traceback\nof a library"
