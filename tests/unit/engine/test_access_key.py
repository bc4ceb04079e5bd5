"""A new access key is asked for once, also when the answer is lost; the authority of the bucket is the one of clouds.yaml."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast
from unittest.mock import MagicMock

import pytest
from keystoneauth1.adapter import Adapter
from keystoneauth1.exceptions import ConnectFailure
from keystoneauth1.noauth import NoAuth
from keystoneauth1.session import Session
from openstack.connection import Connection

from landing_zone.engine import access_key
from landing_zone.engine.clouds import Cloud
from landing_zone.engine.stores.s3 import Bucket


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


@pytest.mark.parametrize("before", [None, "the former authority", "the authority"])
def test_the_authority_of_the_bucket_follows_that_of_the_cloud(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, before: str | None) -> None:
    made: list[str] = []
    monkeypatch.setattr(Bucket, "make", lambda self: made.append(self.authority.read_text()))
    bucket = Bucket.of("s3://b?endpoint=https://cloud.example:8080&region=r", tmp_path / "key", tmp_path / "ca.pem")
    bucket.credentials_file.write_text("a key")
    if before:
        bucket.authority.write_text(before)
    here = MagicMock()
    here.object_store.get_endpoint.return_value = "https://cloud.example:8080/v1/AUTH_p"
    access_key.ensure(bucket, {"north": Cloud("c", "https://cloud.example/v3", "the authority")}, {"north": here})
    assert made == ["the authority"]
    assert bucket.credentials_file.read_text() == "a key"


def test_the_authority_of_another_service_is_left_alone(tmp_path: Path) -> None:
    bucket = Bucket.of("s3://b?endpoint=https://other.example&region=r", tmp_path / "key", tmp_path / "ca.pem")
    bucket.authority.write_text("written by a person")
    here = MagicMock()
    here.object_store.get_endpoint.return_value = "https://cloud.example:8080/v1/AUTH_p"
    access_key.ensure(bucket, {"north": Cloud("c", "https://cloud.example/v3", "the authority")}, {"north": here})
    assert bucket.authority.read_text() == "written by a person"
