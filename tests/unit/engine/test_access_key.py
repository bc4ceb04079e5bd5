"""A new access key is asked for once, also when the answer is lost."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any, cast

import pytest
from keystoneauth1.adapter import Adapter
from keystoneauth1.exceptions import ConnectFailure
from keystoneauth1.noauth import NoAuth
from keystoneauth1.session import Session
from openstack.connection import Connection

from landing_zone.engine import access_key


class Deaf:
    """Takes calls, counts them, and breaks off instead of answering."""

    def __init__(self) -> None:
        self.calls: list[bytes] = []
        self.socket = socket.create_server(("127.0.0.1", 0))
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                caller, _ = self.socket.accept()
            except OSError:  # closed
                return
            with caller:
                self.calls.append(caller.recv(4096).split(b"\r\n")[0])


@pytest.fixture
def deaf() -> Iterator[Deaf]:
    server = Deaf()
    yield server
    server.socket.close()


def identity(deaf: Deaf) -> Any:
    """As `clouds.connect` makes it: calls that got no answer are made again."""
    port = deaf.socket.getsockname()[1]
    return Adapter(Session(auth=NoAuth()), endpoint_override=f"http://127.0.0.1:{port}", connect_retries=3, connect_retry_delay=0.01)


def test_the_library_repeats_a_creation_whose_answer_was_lost(deaf: Deaf) -> None:
    with pytest.raises(ConnectFailure):
        identity(deaf).post("/things", json={})
    assert deaf.calls == [b"POST /things HTTP/1.1"] * 4


def test_a_key_is_asked_for_once(deaf: Deaf) -> None:
    connection = cast(Connection, SimpleNamespace(identity=identity(deaf), current_user_id="u", current_project_id="p"))
    with pytest.raises(ConnectFailure):
        access_key._given(connection)
    assert deaf.calls == [b"POST /users/u/credentials/OS-EC2 HTTP/1.1"]
