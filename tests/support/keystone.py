"""A tiny Keystone over HTTPS, to sign in to or to be refused by, and the certificates that it needs."""

from __future__ import annotations

import datetime
import json
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

PASSWORD = "right"


@dataclass(frozen=True)
class Certificates:
    """A CA file and a server certificate with its key."""

    ca: Path
    server: Path


def make_certificates(folder: Path, *, days: int = 30, ca_days: int = 30) -> Certificates:
    """A CA that ends `ca_days` from now, and a certificate for 127.0.0.1 that ends `days` from now (negative: it has ended)."""
    folder.mkdir(parents=True, exist_ok=True)
    now = datetime.datetime.now(datetime.UTC)
    ca_key, server_key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    ca_name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"test CA {folder.name}")])

    def builder(subject: x509.Name, key: ec.EllipticCurvePrivateKey, end: datetime.datetime) -> x509.CertificateBuilder:
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(ca_name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(days=365))
            .not_valid_after(end)
            # Python 3.13 refuses a certificate that does not name its issuer's key.
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(ca_key.public_key()), critical=False)
        )

    signs = x509.KeyUsage(
        digital_signature=True,
        key_cert_sign=True,
        crl_sign=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )
    ca = (
        builder(ca_name, ca_key, now + datetime.timedelta(days=ca_days))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(signs, critical=True)
        .sign(ca_key, hashes.SHA256())
    )
    server = (
        builder(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "cloud")]), server_key, now + datetime.timedelta(days=days))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .sign(ca_key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    (folder / "ca.pem").write_bytes(ca.public_bytes(pem))
    key_text = server_key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (folder / "server.pem").write_bytes(server.public_bytes(pem) + key_text)
    return Certificates(folder / "ca.pem", folder / "server.pem")


class _Keystone(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        url = f"https://127.0.0.1:{self.server.server_port}/v3/"  # type: ignore[attr-defined]
        version = {"id": "v3.14", "status": "stable", "links": [{"rel": "self", "href": url}], "media-types": []}
        self._answer(200, {"version": version})

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if body["auth"]["identity"]["password"]["user"]["password"] != PASSWORD:
            self._answer(401, {"error": {"code": 401, "message": "The request you have made requires authentication."}})
            return
        endpoint = {"id": "e", "interface": "public", "region": "north", "region_id": "north", "url": "https://127.0.0.1/v3"}
        token = {
            "methods": ["password"],
            "user": {"id": "u", "name": "admin", "domain": {"id": "default", "name": "Default"}},
            "project": {"id": "p", "name": "admin", "domain": {"id": "default", "name": "Default"}},
            "roles": [{"id": "r", "name": "admin"}],
            "expires_at": "2099-01-01T00:00:00.000000Z",
            "issued_at": "2026-01-01T00:00:00.000000Z",
            "audit_ids": ["a"],
            "catalog": [{"id": "s", "type": "identity", "name": "keystone", "endpoints": [endpoint]}],
        }
        self._answer(201, {"token": token})

    def _answer(self, status: int, data: object) -> None:
        text = json.dumps(data).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        if status == 201:
            self.send_header("X-Subject-Token", "token")
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, format: str, *args: object) -> None:
        pass


@contextmanager
def keystone(certificates: Certificates) -> Iterator[str]:
    """Serve until the block ends; gives the auth URL. It knows the password `right` and one region, north."""
    with serving(_Keystone, certificates) as url:
        yield f"{url}/v3"


@contextmanager
def serving(handler: type[BaseHTTPRequestHandler], certificates: Certificates) -> Iterator[str]:
    """Have a handler answer over HTTPS until the block ends; gives its URL."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificates.server)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield f"https://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
