"""The programs that run inside instances, run here against listeners of our own."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator

import pytest

from landing_zone.proof.packets import TRY


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


def tried(targets: list[list[object]], seconds: float = 1) -> list[str]:
    done = subprocess.run([sys.executable, "-c", TRY], input=json.dumps([targets, seconds]), capture_output=True, text=True, check=True)
    return list(json.loads(done.stdout))


def test_answers_refusals_and_silence_are_told_apart(listener: int) -> None:
    silent = socket.create_server(("127.0.0.1", 0))
    try:
        said = tried([["127.0.0.1", listener], ["127.0.0.1", 1], ["127.0.0.1", silent.getsockname()[1]]])
    finally:
        silent.close()
    assert said == ["answer: lab-edu-probe", "refused: Connection refused", "no answer"]


def test_nothing_to_try_is_no_error() -> None:
    assert tried([]) == []
