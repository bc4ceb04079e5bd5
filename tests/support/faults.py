"""A cloud with faults: a proxy on loopback that answers some calls wrongly, late or not at all, and passes all others on.

Wherever the cloud names one of its endpoints in an answer, the catalogue in a token above all, the proxy puts its own address for
it, so that every call comes through here. It has a certificate of a test authority.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import random
import re
import socket
import ssl
import struct
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Literal, NamedTuple, get_args
from urllib.parse import urlsplit

import yaml

from tests.support.keystone import Certificates

Kind = Literal["409", "429", "429 with a time to wait", "500", "503", "time-out", "reset", "lost answer", "slow"]
KINDS: tuple[Kind, ...] = get_args(Kind)
SLOW = 3.0  # seconds that a slow answer takes longer
PATIENCE = 2.0  # seconds after which the gateway of the fault `time-out` gives up waiting
ENDPOINT = re.compile(r"https://([0-9.]+):(\d+)")
PER_HOP = {"host", "connection", "keep-alive", "transfer-encoding", "content-length", "accept-encoding"}
TEXTS = {
    409: "The resource is being changed by another request.",
    429: "Too many requests.",
    500: "An unexpected error has occurred.",
    503: "The service is being restarted.",
}


@dataclass(frozen=True)
class Fault:
    """What happens to calls of a method to a service: to `times` of them from the `first` on (counted from 1).

    `time-out`: the cloud does it, and a gateway gives up before the answer comes. `lost answer`: the cloud does it, and the
    connection breaks before the answer. `reset`: the connection breaks before the cloud hears of it.
    """

    kind: Kind
    method: str
    service: str
    first: int = 1
    times: int = 1

    def strikes(self, method: str, service: str, number: int) -> bool:
        """Whether it happens to the call of that number."""
        return (self.method, self.service) == (method, service) and self.first <= number < self.first + self.times


def schedule(seed: str, kinds: Sequence[Kind], calls: Mapping[tuple[str, str], int]) -> list[Fault]:
    """One fault of each kind at calls that the seed chooses, no two at one, out of those of an undisturbed run by (method, service).

    The last tenth of each is left out: the run that is disturbed may make fewer, since it looks less often how far something is.
    """
    every = [(call, number + 1) for call, count in sorted(calls.items()) for number in range(max(1, count * 9 // 10))]
    chosen = random.Random(seed).sample(every, len(kinds))
    return [Fault(kind, *call, number) for kind, (call, number) in zip(kinds, chosen, strict=True)]


@dataclass
class Proxy:
    """Stands before one cloud. `trusted` is the authority of the cloud's own certificates."""

    certificates: Certificates
    trusted: Path
    faults: list[Fault] = field(default_factory=list)
    struck: list[Fault] = field(default_factory=list)
    calls: Counter[tuple[str, str]] = field(default_factory=Counter)
    _doors: dict[str, _Door] = field(default_factory=dict)
    _services: dict[str, str] = field(default_factory=dict)
    _lock: threading.RLock = field(default_factory=threading.RLock)

    @contextlib.contextmanager
    def disturbed(self, faults: Sequence[Fault]) -> Iterator[list[Fault]]:
        """Count calls anew, and let these faults happen while the block runs; gives the list of those that have."""
        with self._lock:
            self.faults, self.struck, self.calls = list(faults), [], Counter()
        try:
            yield self.struck
        finally:
            self.faults = []

    def clouds_file(self, original: Path, target: Path) -> None:
        """Write a clouds.yaml with the entries of another one, each leading here."""
        content = yaml.safe_load(original.read_text())
        for entry in content["clouds"].values():
            url = urlsplit(entry["auth"]["auth_url"])
            base = f"{url.scheme}://{url.netloc}"
            self._services[base] = "identity"
            entry["auth"]["auth_url"] = self.door(base) + url.path
            entry["cacert"] = str(self.certificates.ca)
        target.write_text(yaml.safe_dump(content))

    def door(self, base: str) -> str:
        """The address here of an endpoint of the cloud (https://HOST:PORT), opened at its first use."""
        with self._lock:
            if base not in self._doors:
                self._doors[base] = _Door(self, base)
            return f"https://127.0.0.1:{self._doors[base].server_port}"

    def close(self) -> None:
        """Close every door."""
        for door in self._doors.values():
            door.close()

    def met(self, method: str, base: str) -> Fault | None:
        """Count a call; the fault that happens to it."""
        with self._lock:
            service = self._services.get(base, "unknown")
            self.calls[method, service] += 1
            number = self.calls[method, service]
            fault = next((each for each in self.faults if each.strikes(method, service, number)), None)
            if fault:
                self.struck.append(fault)
            return fault

    def told(self, text: str) -> str:
        """An answer's text with the doors here for the cloud's endpoints."""
        if '"catalog"' in text:
            self._learn(json.loads(text))
        hosts = {urlsplit(base).hostname for base in self._doors}
        return ENDPOINT.sub(lambda match: self.door(match[0]) if match[1] in hosts else match[0], text)

    def _learn(self, answer: Mapping[str, Any]) -> None:
        for service in answer.get("token", answer).get("catalog", ()):
            for endpoint in service["endpoints"]:
                url = urlsplit(endpoint["url"])
                self._services[f"{url.scheme}://{url.netloc}"] = service["type"]


class _Door(ThreadingHTTPServer):
    """One endpoint of the cloud, served here."""

    request_queue_size = 128

    def __init__(self, proxy: Proxy, base: str) -> None:
        super().__init__(("127.0.0.1", 0), _Call)
        self.proxy, self.base = proxy, base
        self.shown = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.shown.load_cert_chain(proxy.certificates.server)
        self.trusting = ssl.create_default_context(cafile=str(proxy.trusted))
        self.thread = threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        self.thread.start()

    def close(self) -> None:
        self.shutdown()
        self.server_close()
        self.thread.join()

    def finish_request(self, request: Any, client_address: Any) -> None:
        with self.shown.wrap_socket(request, server_side=True) as wrapped:
            super().finish_request(wrapped, client_address)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A connection that ends in the middle is nothing to be told here."""


class _Answer(NamedTuple):
    status: int
    headers: Mapping[str, str]
    content: bytes


class _Call(BaseHTTPRequestHandler):
    """The calls of one connection."""

    protocol_version = "HTTP/1.1"
    server: _Door

    def do_GET(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        fault = self.server.proxy.met(self.command, self.server.base)
        match fault.kind if fault else None:
            case None:
                self._pass_on(body)
            case "slow":
                time.sleep(SLOW)
                self._pass_on(body)
            case "time-out":
                self._ask(body)
                time.sleep(PATIENCE)
                self._answer(504, {"Content-Type": "text/html"}, b"<html><body><h1>504 Gateway Time-out</h1></body></html>")
            case "reset":
                self._break()
            case "lost answer":
                self._ask(body)
                self._break()
            case str(kind):
                self._refuse(int(kind[:3]), {"Retry-After": "1"} if "time to wait" in kind else {})

    do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_GET  # noqa: N815  the names that the library calls

    def _ask(self, body: bytes) -> _Answer:
        """Have the cloud do it."""
        url = urlsplit(self.server.base)
        headers = {name: value for name, value in self.headers.items() if name.lower() not in PER_HOP}
        connection = http.client.HTTPSConnection(str(url.hostname), url.port, timeout=120, context=self.server.trusting)
        with contextlib.closing(connection):
            connection.request(self.command, self.path, body or None, headers)
            answer = connection.getresponse()
            kept = {name: value for name, value in answer.headers.items() if name.lower() not in PER_HOP}
            return _Answer(answer.status, kept, answer.read())

    def _pass_on(self, body: bytes) -> None:
        answer = self._ask(body)
        told = self.server.proxy.told
        headers = {name.title(): value for name, value in answer.headers.items()}  # a cloud's gateway may write them all small
        if "Location" in headers:
            headers["Location"] = told(headers["Location"])
        is_json = "json" in headers.get("Content-Type", "")
        self._answer(answer.status, headers, told(answer.content.decode()).encode() if is_json else answer.content)

    def _refuse(self, status: int, headers: Mapping[str, str]) -> None:
        text = json.dumps({"error": {"code": status, "message": TEXTS[status]}}).encode()
        self._answer(status, {"Content-Type": "application/json", **headers}, text)

    def _answer(self, status: int, headers: Mapping[str, str], content: bytes) -> None:
        self.send_response_only(status)
        for name, value in headers.items():
            self.send_header(name, value)
        if status != 204:
            self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def _break(self) -> None:
        """End the connection at once, without a word: the client sees a reset."""
        self.close_connection = True
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        os.close(self.connection.detach())

    def log_message(self, format: str, *args: object) -> None:
        pass
