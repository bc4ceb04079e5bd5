"""Host keys, read from the instance's console log (which only the cloud can write), kept in the environment's known_hosts."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Collection, Iterable
from concurrent.futures import ThreadPoolExecutor

from openstack.connection import Connection

from foundation import files
from foundation.errors import LzError, Problem, raise_all
from landing_zone.engine.home import Home
from landing_zone.ssh.hosts import Host

BEGIN = "-----BEGIN SSH HOST KEY KEYS-----"
END = "-----END SSH HOST KEY KEYS-----"
KEY = re.compile(r"\b((?:ssh|ecdsa)-[a-z0-9-]+) ([A-Za-z0-9+/=]{40,})")
PATIENCE = 300.0  # seconds until an instance has to have printed its keys


def keys_in(console: str) -> list[str]:
    """Host keys, `TYPE BASE64` each, of the last complete block that cloud-init printed; none when there is no such block."""
    if BEGIN not in console:
        return []
    block, mark, _ = console.rpartition(BEGIN)[2].partition(END)
    if not mark:
        return []
    return [f"{kind} {key}" for kind, key in KEY.findall(block)]


def pin(
    home: Home,
    hosts: Iterable[Host],
    connections: Callable[[str], Connection],
    patience: float = PATIENCE,
    pause: float = 2.0,
) -> list[Host]:
    """Pin the keys of hosts whose instance has none pinned yet, waiting for those that still boot; returns the newly pinned.

    A key once pinned for an instance stays, whatever its console says later. Raises LzError with every host that has not
    printed its keys after `patience` seconds.
    """
    wanted = [host for host in hosts if pinned_instance(home, host.name) != host.instance]
    deadline = time.monotonic() + patience
    with ThreadPoolExecutor(max_workers=8) as pool:
        found = dict(zip(wanted, pool.map(lambda host: _await_keys(connections(host.region), host, deadline, pause), wanted), strict=True))
    _write(home, {host: keys for host, keys in found.items() if keys})
    raise_all(
        (
            Problem(
                f"instance {host.name} has not printed its SSH host keys",
                where=f"region {host.region}, instance {host.instance}",
                why=f"nothing between {BEGIN} and {END} in its console log after {patience:.0f} s",
                cure="look at the console log (openstack console log show); the image must run cloud-init with keys_to_console",
            )
            for host, keys in found.items()
            if not keys
        ),
        LzError,
    )
    return list(found)


def pinned_instance(home: Home, name: str) -> str | None:
    """The instance whose keys are pinned under that name, if any."""
    for line in _lines(home):
        host, *rest = line.split()
        if host == name and rest:
            return rest[-1]
    return None


def unpin(home: Home, names: Iterable[str]) -> None:
    """Forget the keys of hosts that are gone."""
    _change(home, set(names), [])


def _await_keys(connection: Connection, host: Host, deadline: float, pause: float) -> list[str]:
    while True:
        answer = connection.compute.get_server_console_output(host.instance)
        keys = keys_in(str(answer.get("output") or ""))
        if keys or time.monotonic() > deadline:
            return keys
        time.sleep(pause)


def _write(home: Home, found: dict[Host, list[str]]) -> None:
    _change(home, {host.name for host in found}, [f"{host.name} {key} {host.instance}" for host, keys in found.items() for key in keys])


def _change(home: Home, gone: Collection[str], new: Iterable[str]) -> None:
    """Take out what is pinned under some names and add lines, at once: a pin that is lost cannot be read from an old console again."""
    stay = [line for line in _lines(home) if line.split()[0] not in gone]
    files.replace(home.known_hosts, "".join(f"{line}\n" for line in (*stay, *new)))


def _lines(home: Home) -> list[str]:
    lines = home.known_hosts.read_text().splitlines() if home.known_hosts.exists() else []
    return [line for line in lines if line.strip()]
