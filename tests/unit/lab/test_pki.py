"""Certificates: signed by the lab's authority, for the right address, and the keys private."""

from __future__ import annotations

import socket
import ssl
import threading
from ipaddress import IPv4Address
from pathlib import Path

import pytest

from lab import pki


def _handshake(server_pem: Path, ca: Path, address: str) -> str | None:
    """TLS handshake over a socket pair; the protocol version, or ssl.SSLError."""
    here, there = socket.socketpair()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(server_pem)

    def serve() -> None:
        try:
            context.wrap_socket(there, server_side=True).close()
        except (ssl.SSLError, OSError):
            there.close()

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        with ssl.create_default_context(cafile=str(ca)).wrap_socket(here, server_hostname=address) as client:
            return client.version()
    finally:
        here.close()
        thread.join()


@pytest.fixture
def authority(tmp_path: Path) -> tuple[Path, Path]:
    cert, key = tmp_path / "ca.pem", tmp_path / "ca.key"
    pki.ensure_authority(cert, key)
    return cert, key


def test_a_client_that_trusts_the_authority_accepts_the_address(authority: tuple[Path, Path], tmp_path: Path) -> None:
    cert, key = authority
    assert key.stat().st_mode & 0o777 == 0o600
    server = tmp_path / "server.pem"
    server.write_text(pki.issue(cert, key, IPv4Address("198.18.0.2"), ("north.lab.internal",)))
    assert _handshake(server, cert, "198.18.0.2") == "TLSv1.3"


def test_another_address_and_another_authority_are_refused(authority: tuple[Path, Path], tmp_path: Path) -> None:
    cert, key = authority
    server = tmp_path / "server.pem"
    server.write_text(pki.issue(cert, key, IPv4Address("198.18.0.2"), ()))
    with pytest.raises(ssl.SSLCertVerificationError):
        _handshake(server, cert, "198.18.16.2")
    other = tmp_path / "other.pem"
    pki.ensure_authority(other, tmp_path / "other.key")
    with pytest.raises(ssl.SSLCertVerificationError):
        _handshake(server, other, "198.18.0.2")


def test_the_authority_is_made_once(authority: tuple[Path, Path]) -> None:
    cert, key = authority
    before = cert.read_bytes()
    pki.ensure_authority(cert, key)
    assert cert.read_bytes() == before
