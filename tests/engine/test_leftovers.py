"""A run that is killed, in whatever way, leaves no process: not the engine, and not its plugins, which do not notice by themselves."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from foundation import scratch

SECONDS = 8.0  # within which all is gone; a plugin by itself stays for five minutes
RUN = """
import sys
from pathlib import Path
import pulumi
import pulumi_openstack as openstack
from landing_zone.engine.crew import hired
from landing_zone.engine.home import Home
from landing_zone.engine.stack import StackKey, Stacks
from landing_zone.engine.stores.folder import Folder

def one_network():
    provider = openstack.Provider("admin", cloud="silent", region="north")
    openstack.networking.Network("n", name="n", opts=pulumi.ResourceOptions(provider=provider))

def order(stacks):
    return stacks.up(StackKey("unit", "north", "network"), one_network)

if __name__ == "__main__":
    home = Home(Path(sys.argv[1]))
    with hired(Stacks(home, Folder(home.backend))) as crew:
        crew.do(order)
"""


class Started:
    """A run in a session of its own; whatever it starts is known by a variable of the environment that only it has.

    Its temporary files lie in `folder`: nobody removes those of a run that is killed.
    """

    def __init__(self, folder: Path, variables: dict[str, str]) -> None:
        self._mark = f"LZ_TEST_RUN={folder}".encode()
        script = folder / "run.py"
        script.write_text(RUN)
        own = {"LZ_TEST_RUN": str(folder), scratch.VARIABLE: str(folder)}
        self.process = subprocess.Popen(
            [sys.executable, str(script), str(folder / "home")],
            env={**os.environ, **variables, **own, "PYTHONPATH": os.pathsep.join(sys.path)},
            start_new_session=True,
            stderr=subprocess.DEVNULL,
        )

    def living(self) -> dict[int, str]:
        """The names of its processes that live, by number."""
        found = {}
        for process in Path("/proc").glob("[0-9]*"):
            try:
                if self._mark in (process / "environ").read_bytes().split(b"\0"):
                    found[int(process.name)] = (process / "comm").read_text().strip()
            except OSError:  # it has ended
                continue
        return found


def alone(run: Started) -> None:
    """As the kernel does, when memory runs out, and an impatient person."""
    run.process.kill()


def with_its_group(run: Started) -> None:
    """As `timeout -s KILL` does."""
    os.killpg(run.process.pid, signal.SIGKILL)


def terminal_closed(run: Started) -> None:
    os.killpg(run.process.pid, signal.SIGHUP)


def its_worker(run: Started) -> None:
    """The run itself goes on, and tells so."""
    engine = next(pid for pid, name in run.living().items() if name == "pulumi")
    worker = int(Path(f"/proc/{engine}/stat").read_text().rpartition(")")[2].split()[1])
    os.kill(worker, signal.SIGKILL)


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Started]:
    """A run at work: its plugin waits for an answer of a cloud that gives none."""
    (tmp_path / "home").mkdir(mode=0o700)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/v3"
        auth = f"{{auth_url: '{url}', username: u, password: p, project_name: p, user_domain_name: d, project_domain_name: d}}"
        (tmp_path / "clouds.yaml").write_text(f"clouds:\n  silent:\n    auth: {auth}\n")
        started = Started(tmp_path, {"OS_CLIENT_CONFIG_FILE": str(tmp_path / "clouds.yaml")})
        silent.settimeout(60)
        try:
            asked, _ = silent.accept()
            with asked:
                yield started
        finally:
            for pid in started.living():
                os.kill(pid, signal.SIGKILL)
            started.process.wait()


@pytest.mark.parametrize("kill", [alone, with_its_group, terminal_closed, its_worker])
def test_a_killed_run_leaves_no_process(run: Started, kill: Callable[[Started], None]) -> None:
    assert {"pulumi", "pulumi-resource"} <= set(run.living().values())
    kill(run)
    deadline = time.monotonic() + SECONDS
    while (left := run.living()) and time.monotonic() < deadline:
        run.process.poll()
        time.sleep(0.1)
    assert left == {}
