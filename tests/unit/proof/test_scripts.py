"""The programs that run inside instances, run here against listeners of our own."""

from __future__ import annotations

import errno
import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from landing_zone.proof.packets import LISTEN, TRY, WORKERS


@pytest.fixture
def listener() -> Iterator[int]:
    server = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                connection, _ = server.accept()
            except OSError:
                return
            connection.sendall(b"lab-edu-probe\n")
            connection.close()

    thread = threading.Thread(target=serve)
    thread.start()
    yield server.getsockname()[1]
    server.shutdown(socket.SHUT_RDWR)
    server.close()
    thread.join()


LOOPBACK = ("127.0.0.1", "::1")


def tried(targets: list[list[object]], seconds: float = 1, own: Sequence[str] = LOOPBACK) -> list[str]:
    asked = json.dumps([targets, seconds, own, WORKERS])
    done = subprocess.run([sys.executable, "-c", TRY], input=asked, capture_output=True, text=True, check=True)
    return list(json.loads(done.stdout))


def test_answers_refusals_and_silence_are_told_apart(listener: int) -> None:
    silent = socket.create_server(("127.0.0.1", 0))
    try:
        said = tried([["tcp", "127.0.0.1", listener], ["tcp", "127.0.0.1", 1], ["tcp", "127.0.0.1", silent.getsockname()[1]]])
    finally:
        silent.close()
    assert said == ["answer: lab-edu-probe", "refused: Connection refused", "no answer"]


def test_a_datagram_without_an_answer_is_silence_and_one_to_nobody_a_refusal() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind(("127.0.0.1", 0))
        said = tried([["udp", "127.0.0.1", silent.getsockname()[1]], ["udp", "127.0.0.1", 1]])
    assert said == ["no answer", "refused: Connection refused"]


@pytest.mark.parametrize("protocol", ["tcp", "udp", "icmp"])
def test_without_its_own_address_of_the_family_nothing_was_tried(listener: int, protocol: str) -> None:
    """As where the lease of the IPv6 address never came: what is sent from another address is dropped, and looks like a block."""
    assert tried([[protocol, "127.0.0.1", listener]], own=["10.0.0.9", "::1"]) == ["cannot send: it would send from 127.0.0.1"]


@pytest.mark.parametrize("protocol", ["tcp", "udp", "icmp"])
def test_what_the_machine_itself_does_not_send_was_not_tried(protocol: str) -> None:
    """An address of a link, with no word of which, stands for every one to which there is no route: those differ by machine."""
    assert tried([[protocol, "fe80::1", 9]]) == [f"cannot send: {os.strerror(errno.EINVAL)}"]


@pytest.fixture
def sudo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only program on the path, not made yet; it shall do as if it ran ping."""
    monkeypatch.setenv("PATH", str(tmp_path))
    return tmp_path / "sudo"


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ("echo 2 packets transmitted, 1 received; exit 0", "answer: echo"),
        ("echo 2 packets transmitted, 0 received; exit 1", "no answer"),
        ("echo 'sudo: a password is required' >&2; exit 1", "not tried: sudo: a password is required"),
        ("echo 'ping: connect: Network is unreachable' >&2; exit 2", "not tried: ping: connect: Network is unreachable"),
    ],
)
def test_what_ping_finds_is_told(sudo: Path, script: str, said: str) -> None:
    sudo.write_text(f"#!/bin/sh\n{script}\n")
    sudo.chmod(0o755)
    assert tried([["icmp", "127.0.0.1", 0]]) == [said]


@pytest.mark.usefixtures("sudo")
def test_where_there_is_no_such_program_nothing_was_tried() -> None:
    assert tried([["icmp", "127.0.0.1", 0]])[0].startswith("not tried: ")


def test_nothing_to_try_is_no_error() -> None:
    assert tried([]) == []


@pytest.fixture
def without_systemd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Programs of systemd's names: no unit is active, and one that is started runs on until the end of the test."""
    pid = tmp_path / "pid"
    for name, script in (
        ("systemctl", "exit 3"),
        ("systemd-run", f'while [ "${{1#--}}" != "$1" ]; do shift; done; "$@" >/dev/null 2>&1 & echo $! >{pid}'),
    ):
        (tmp_path / name).write_text(f"#!/bin/sh\n{script}\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    yield
    os.kill(int(pid.read_text()), signal.SIGKILL)


def free_port() -> int:
    with socket.create_server(("::", 0), family=socket.AF_INET6, dualstack_ipv6=True) as server:
        return int(server.getsockname()[1])


def listening(addresses: list[str], port: int, protocol: str = "tcp", seconds: float = 20) -> subprocess.CompletedProcess[str]:
    wanted = json.dumps({"name": "lab-edu-probe", "listeners": [[protocol, port]], "addresses": addresses, "seconds": seconds})
    return subprocess.run([sys.executable, "-c", LISTEN], input=wanted, capture_output=True, text=True, check=False)


@pytest.mark.usefixtures("without_systemd")
@pytest.mark.parametrize("protocol", ["tcp", "udp"])
def test_a_listener_answers_over_both_families(protocol: str) -> None:
    port = free_port()
    done = listening(["127.0.0.1", "::1"], port, protocol)
    assert done.returncode == 0, done.stderr
    assert tried([[protocol, "127.0.0.1", port], [protocol, "::1", port]]) == ["answer: lab-edu-probe"] * 2


def test_a_datagram_that_is_lost_is_sent_once_more() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
        server.settimeout(10)

        def serve() -> None:
            server.recv(64)
            _, whom = server.recvfrom(64)
            server.sendto(b"lab-edu-probe", whom)

        thread = threading.Thread(target=serve)
        thread.start()
        said = tried([["udp", "127.0.0.1", server.getsockname()[1]]])
        thread.join()
    assert said == ["answer: lab-edu-probe"]


def test_a_listener_that_runs_is_not_started_again(listener: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of probes that were kept, or in the second round: systemd refuses a second unit of that name."""
    for name, status in (("systemctl", 0), ("systemd-run", 1)):
        (tmp_path / name).write_text(f"#!/bin/sh\nexit {status}\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    assert listening(["127.0.0.1"], listener).returncode == 0


@pytest.mark.usefixtures("without_systemd")
def test_an_address_that_the_instance_does_not_have_is_named() -> None:
    done = listening(["fd00::1"], free_port(), seconds=0.5)
    assert done.returncode == 1
    assert "nothing listens at fd00::1, tcp port " in done.stderr
