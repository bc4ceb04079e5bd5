"""Signature version 4 of S3 requests, as the service's documentation describes it (AWS General Reference, "Signing AWS API requests")."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import quote

ALGORITHM = "AWS4-HMAC-SHA256"


@dataclass(frozen=True, repr=False)
class Credentials:
    """An access key and its secret."""

    access: str
    secret: str


@dataclass(frozen=True)
class Request:
    """What is signed. `path` is not escaped yet; `query` holds plain text by name."""

    method: str
    host: str
    path: str
    query: Mapping[str, str]
    body: bytes = b""

    @property
    def query_text(self) -> str:
        """The query as it is sent and signed: escaped and in order."""
        return "&".join(f"{_escaped(name)}={_escaped(value)}" for name, value in sorted(self.query.items()))

    @property
    def path_text(self) -> str:
        """The path as it is sent and signed."""
        return quote(self.path, safe="/-_.~")


def signed(request: Request, credentials: Credentials, region: str, now: datetime | None = None) -> dict[str, str]:
    """The headers with which the request is sent; `now` is in UTC."""
    stamp = (now or datetime.now(UTC)).strftime("%Y%m%dT%H%M%SZ")
    digest = hashlib.sha256(request.body).hexdigest()
    headers = {"host": request.host, "x-amz-content-sha256": digest, "x-amz-date": stamp}
    names = ";".join(sorted(headers))
    listed = "".join(f"{name}:{value}\n" for name, value in sorted(headers.items()))
    canonical = "\n".join((request.method, request.path_text, request.query_text, listed, names, digest))
    scope = f"{stamp[:8]}/{region}/s3/aws4_request"
    text = "\n".join((ALGORITHM, stamp, scope, hashlib.sha256(canonical.encode()).hexdigest()))
    key = f"AWS4{credentials.secret}".encode()
    for part in scope.split("/"):
        key = _mac(key, part)
    signature = _mac(key, text).hex()
    return {
        **headers,
        "authorization": f"{ALGORITHM} Credential={credentials.access}/{scope}, SignedHeaders={names}, Signature={signature}",
    }


def _mac(key: bytes, text: str) -> bytes:
    return hmac.new(key, text.encode(), hashlib.sha256).digest()


def _escaped(text: str) -> str:
    return quote(text, safe="-_.~")
