"""A PostgreSQL of its own for a test: Debian's packages, a new cluster on loopback with a password, stopped at the end."""

from __future__ import annotations

import os
import secrets
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tenacity import retry, stop_after_attempt

from tools import host

NO_CLUSTER = Path("/etc/postgresql-common/createcluster.d/landing-zone-tests.conf")
NOBODY = 65534
AS_NOBODY = ("setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups")


@dataclass(frozen=True)
class Database:
    """An address without a password, and the file (0600) that has the password in the form of PGPASSFILE."""

    url: str
    passfile: Path
    password: str


def programs() -> Path:
    """The folder of the server's programs; the package is installed when it is missing, without a cluster or a service."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    if not found:
        there = NO_CLUSTER.parent.is_dir()
        NO_CLUSTER.parent.mkdir(parents=True, exist_ok=True)
        NO_CLUSTER.write_text("create_main_cluster = false\n")
        try:
            host.ensure(["postgresql", "postgresql-client"])
        finally:
            NO_CLUSTER.unlink()
            if not there and not any(NO_CLUSTER.parent.iterdir()):
                NO_CLUSTER.parent.rmdir()
        found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    return found[-1].parent


@contextmanager
def running(folder: Path) -> Iterator[Database]:
    """A server on a free port of 127.0.0.1 that knows one user, `state`, by its password; `folder` is short and empty."""
    bin_, data, password = programs(), folder / "data", secrets.token_urlsafe(24)
    for path in (folder, data):
        path.mkdir(exist_ok=True)
        os.chown(path, NOBODY, NOBODY)
    first = folder / "first"
    first.write_text(password)
    os.chown(first, NOBODY, NOBODY)
    _run(bin_ / "initdb", "-D", data, "-U", "state", "--auth=scram-sha-256", f"--pwfile={first}", "--no-sync", "--no-locale", "-E", "UTF8")
    first.unlink()
    port = _start(bin_ / "pg_ctl", data, folder / "log")
    passfile = folder / "pgpass"
    passfile.touch(mode=0o600)
    passfile.write_text(f"127.0.0.1:{port}:postgres:state:{password}\n")
    try:
        yield Database(f"postgres://state@127.0.0.1:{port}/postgres?sslmode=disable", passfile, password)
    finally:
        _run(bin_ / "pg_ctl", "-D", data, "-w", "-m", "immediate", "stop")


@retry(stop=stop_after_attempt(5), reraise=True)
def _start(pg_ctl: Path, data: Path, log: Path) -> int:
    """Start the server and return its port: another one when somebody has taken the first before the server could."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = int(free.getsockname()[1])
    options = f"-c listen_addresses=127.0.0.1 -c port={port} -c unix_socket_directories= -c fsync=off -c logging_collector=off"
    _run(pg_ctl, "-D", data, "-l", log, "-w", "-o", options, "start")
    return port


def _run(*words: str | Path) -> None:
    done = subprocess.run([*AS_NOBODY, *words], check=False, capture_output=True, text=True, stdin=subprocess.DEVNULL, cwd="/")
    assert done.returncode == 0, f"{words[0]}: {done.stdout}{done.stderr}"
