"""State in a bucket of an S3 service, such as Swift's: `s3://BUCKET/FOLDER?endpoint=https://HOST:PORT&region=NAME`.

The access key is where the engine finds it, too: AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY of the shell, else a file in AWS's
own form (0600) in the environment's home, which `lz` makes where the bucket is one of an own region's Swift.
"""

from __future__ import annotations

import configparser
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qsl, urlencode, urlsplit
from xml.etree import ElementTree

from keystoneauth1.exceptions import ClientException
from keystoneauth1.session import Session

from foundation.errors import InputError, LzError, Problem
from landing_zone.engine.stores.signing import Credentials, Request, signed

TIMEOUT = 30.0  # seconds for one answer
OUR_QUERY = {"use_path_style": "true", "request_checksum_calculation": "when_required", "response_checksum_validation": "when_required"}


@dataclass(frozen=True)
class Bucket:
    """A store in a bucket.

    `folder`: what all keys begin with, "" or ending in "/". `authority`: file of the CA; while it is missing, those of the system.
    """

    endpoint: str
    region: str
    name: str
    folder: str
    credentials_file: Path
    authority: Path

    @classmethod
    def of(cls, url: str, credentials_file: Path, authority: Path) -> Bucket:
        """The bucket of an address that the model has checked."""
        parts = urlsplit(url)
        query = dict(parse_qsl(parts.query))
        folder = f"{parts.path.strip('/')}/".lstrip("/")
        return cls(query["endpoint"].rstrip("/"), query["region"], parts.netloc, folder, credentials_file, authority)

    @property
    def url(self) -> str:
        """The engine's own address of it: paths rather than host names for buckets, as Swift has them."""
        query = urlencode({"endpoint": self.endpoint, "region": self.region, **OUR_QUERY})
        return f"s3://{self.name}/{self.folder}?{query}"

    @property
    def settings(self) -> Mapping[str, str]:
        """Where the engine finds the access key and the authority."""
        authority = {"AWS_CA_BUNDLE": str(self.authority)} if self.authority.exists() else {}
        return {"AWS_SHARED_CREDENTIALS_FILE": str(self.credentials_file), "AWS_EC2_METADATA_DISABLED": "true", **authority}

    def keys(self, prefix: str) -> list[str]:
        """Keys that begin with `prefix`, sorted; none while there is no bucket."""
        found: list[str] = []
        query = {"list-type": "2", "prefix": self.folder + prefix}
        while True:
            answer = self._call("GET", "", query)
            if answer is None:
                return []
            page = ElementTree.fromstring(answer)  # noqa: S314  from the operator's own store, by TLS
            found += [(entry.text or "").removeprefix(self.folder) for entry in page.iterfind("{*}Contents/{*}Key")]
            following = page.findtext("{*}NextContinuationToken")
            if not following:
                return sorted(found)
            query["continuation-token"] = following

    def read(self, key: str) -> bytes | None:
        """What lies under a key; None when there is nothing."""
        return self._call("GET", self.folder + key)

    def write(self, key: str, data: bytes) -> None:
        """Put something under a key, whole or not at all."""
        self._put(self.folder + key, data)

    def remove(self, key: str) -> None:
        """Remove what lies under a key, if anything does."""
        self._call("DELETE", self.folder + key)

    def make(self) -> None:
        """Make the bucket, private to its project, unless it is there."""
        if self._call("HEAD", "") is None:
            self._put("")

    def _put(self, key: str, data: bytes = b"") -> None:
        if self._call("PUT", key, body=data) is None:
            cure = "correct `state.url`, or have it made: by `lz preflight` in Swift of an own region, elsewhere by its owner"
            raise LzError(Problem(f"there is no bucket {self.name} for the state", f"PUT {self.endpoint}/{self.name}/{key}", cure=cure))

    def _call(self, method: str, key: str, query: Mapping[str, str] | None = None, body: bytes = b"") -> bytes | None:
        """The body of the answer; None for 404. LzError for every other refusal."""
        path = f"/{self.name}/{key}" if key else f"/{self.name}"
        request = Request(method, urlsplit(self.endpoint).netloc, path, query or {}, body)
        where = f"{method} {self.endpoint}{path}"
        headers = signed(request, self._credentials(), self.region)
        session = Session(verify=str(self.authority) if self.authority.exists() else True, timeout=TIMEOUT)
        address = f"{self.endpoint}{request.path_text}" + (f"?{request.query_text}" if query else "")
        try:
            answer = session.request(address, method, headers=headers, data=body, authenticated=False, raise_exc=False, log=False)
        except (ClientException, OSError) as error:
            raise LzError(self._silence(where, str(error))) from None
        if answer.status_code == 404:
            return None
        if answer.status_code >= 300:
            raise LzError(Problem(f"the store of the state says {answer.status_code}", where, answer.text[:500], self._another_key()))
        return bytes(answer.content)

    def _silence(self, where: str, why: str) -> Problem:
        if "CERTIFICATE_VERIFY_FAILED" not in why:
            return Problem("the store of the state does not answer", where, why, "is it up, and reachable?")
        cure = (
            f"{self.authority} is to have the authority that signed it: `lz preflight` takes that of clouds.yaml for Swift of an own region"
        )
        return Problem("the certificate of the state's store cannot be verified", where, why, f"{cure}; for another service write it there")

    def _another_key(self) -> str:
        if _of_shell():
            return "does the access key in AWS_ACCESS_KEY_ID, which the shell has set, belong to the bucket's project?"
        cure = f"does the access key in {self.credentials_file} belong to the bucket's project? Where the cloud no longer knows it"
        return f"{cure}: remove {self.credentials_file}, then `lz preflight` makes another; for another service write one there"

    def _credentials(self) -> Credentials:
        if found := _of_shell():
            return found
        content = configparser.ConfigParser(interpolation=None)
        content.read(self.credentials_file)
        try:
            return Credentials(content["default"]["aws_access_key_id"], content["default"]["aws_secret_access_key"])
        except KeyError:
            why = "neither AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY are set, nor does the file have them"
            cure = "run `lz preflight`, which asks the region's Keystone for one; for another service write them there (docs/operations.md)"
            raise InputError(Problem("there is no access key for the state's bucket", str(self.credentials_file), why, cure)) from None


def _of_shell() -> Credentials | None:
    access, secret = os.environ.get("AWS_ACCESS_KEY_ID"), os.environ.get("AWS_SECRET_ACCESS_KEY")
    return Credentials(access, secret) if access and secret else None


def credentials_text(credentials: Credentials) -> str:
    """An access key as a file in AWS's own form."""
    return f"[default]\naws_access_key_id = {credentials.access}\naws_secret_access_key = {credentials.secret}\n"
