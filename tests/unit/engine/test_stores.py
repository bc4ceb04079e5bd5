"""Stores of the engine's state: the folder, requests to S3 as their signature is published, keys that cannot become statements."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

import pytest

from foundation.errors import InputError, LzError
from landing_zone.engine import checkpoints, stores
from landing_zone.engine.home import Home
from landing_zone.engine.stores.folder import Folder
from landing_zone.engine.stores.postgres import Table
from landing_zone.engine.stores.s3 import Bucket, credentials_text
from landing_zone.engine.stores.signing import Credentials, Request, signed
from landing_zone.planners.plan import StateSpec
from tests.support.keystone import make_certificates, serving

URL = "s3://lab-state/deep/er?endpoint=https://198.18.0.2:8080&region=north"
EXAMPLE = Credentials("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY")  # of the documentation of S3


def test_a_folder_keeps_objects_by_key(tmp_path: Path) -> None:
    store = Folder(tmp_path)
    assert store.keys("a/") == []
    assert store.read("a/x") is None
    for key in ("a/x.json", "a/x/lock", "b/x"):
        store.write(key, key.encode())
    assert store.keys("a/") == ["a/x.json", "a/x/lock"]
    assert store.keys("a/x.") == ["a/x.json"]
    assert store.read("a/x.json") == b"a/x.json"
    store.write("a/x.json", b"new")
    store.remove("a/x/lock")
    store.remove("a/x/lock")
    assert [store.keys("a/"), store.read("a/x.json")] == [["a/x.json"], b"new"]


def test_an_object_of_a_folder_is_whole_or_as_it_was_and_nobody_elses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = Folder(tmp_path)
    store.write("a/x.json", b"old")
    assert (tmp_path / "a").stat().st_mode & 0o077 == 0

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("pathlib.Path.replace", killed)  # the very last thing that is done
    with pytest.raises(KeyboardInterrupt):
        store.write("a/x.json", b"new")
    assert store.read("a/x.json") == b"old"


def test_what_older_runs_wrote_beside_objects_goes_when_a_folder_is_opened(tmp_path: Path) -> None:
    assert Folder.of(tmp_path / "not there").keys("") == []
    for key in ("a/x.json", "a/x.json.attrs", "a/y/z.json.bak.attrs"):
        Folder(tmp_path).write(key, b"")
    assert Folder.of(tmp_path).keys("") == ["a/x.json"]


@pytest.mark.parametrize(
    ("query", "signature"),
    [
        ({"lifecycle": ""}, "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543"),
        ({"max-keys": "2", "prefix": "J"}, "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7"),
        ({"prefix": "J", "max-keys": "2"}, "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7"),
    ],
)
def test_requests_are_signed_as_published(query: dict[str, str], signature: str) -> None:
    request = Request("GET", "examplebucket.s3.amazonaws.com", "/", query)
    headers = signed(request, EXAMPLE, "us-east-1", datetime(2013, 5, 24, tzinfo=UTC))
    assert headers["authorization"] == (
        "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request, "
        f"SignedHeaders=host;x-amz-content-sha256;x-amz-date, Signature={signature}"
    )
    assert EXAMPLE.secret not in str(headers) + repr(EXAMPLE)


def test_the_address_of_a_bucket_for_the_engine(tmp_path: Path) -> None:
    bucket = Bucket.of(URL, tmp_path / "key", tmp_path / "ca.pem")
    assert [bucket.name, bucket.folder, bucket.region, bucket.endpoint] == ["lab-state", "deep/er/", "north", "https://198.18.0.2:8080"]
    assert bucket.url.startswith("s3://lab-state/deep/er/?endpoint=https%3A%2F%2F198.18.0.2%3A8080&region=north&use_path_style=true")
    assert Bucket.of("s3://b?endpoint=https://h&region=r", tmp_path, tmp_path).folder == ""
    assert "AWS_CA_BUNDLE" not in bucket.settings
    bucket.authority.write_text("PEM")
    assert bucket.settings["AWS_CA_BUNDLE"] == str(tmp_path / "ca.pem")
    assert bucket.settings["AWS_SHARED_CREDENTIALS_FILE"] == str(tmp_path / "key")


def test_a_bucket_without_a_key_says_where_one_belongs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name, raising=False)
    bucket = Bucket.of(URL, tmp_path / "key", tmp_path / "ca.pem")
    with pytest.raises(InputError, match="no access key"):
        bucket.keys("")


def test_a_bucket_that_does_not_answer_is_named(tmp_path: Path) -> None:
    (tmp_path / "key").write_text(credentials_text(EXAMPLE))
    bucket = Bucket.of("s3://b?endpoint=https://127.0.0.1:1&region=r", tmp_path / "key", tmp_path / "ca.pem")
    with pytest.raises(LzError, match="does not answer") as caught:
        bucket.read("x")
    assert "GET https://127.0.0.1:1/b/x" in str(caught.value)
    assert EXAMPLE.secret not in str(caught.value)


@contextmanager
def bucket_that_says(status: int, folder: Path) -> Iterator[Bucket]:
    """The bucket of a service that answers everything alike."""

    class Service(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            self.send_response(status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def do_HEAD(self) -> None:
            self.do_GET()

        def do_PUT(self) -> None:
            self.do_GET()

        def log_message(self, format: str, *args: object) -> None:
            pass

    made = make_certificates(folder / "tls")
    (folder / "key").write_text(credentials_text(EXAMPLE))
    with serving(Service, made) as url:
        yield Bucket.of(f"s3://b?endpoint={url}&region=r", folder / "key", made.ca)


@contextmanager
def bucket_in_memory(folder: Path, objects: dict[str, bytes], page: int) -> Iterator[Bucket]:
    """A bucket of a service that keeps objects by their whole key, and lists so many of them in one answer."""

    class Service(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            address = urlsplit(self.path)
            query = dict(parse_qsl(address.query))
            if "list-type" not in query:
                return self.say(objects.get(self.key))
            found = sorted(key for key in objects if key.startswith(query["prefix"]) and key > query.get("continuation-token", ""))
            shown = "".join(f"<Contents><Key>{key}</Key></Contents>" for key in found[:page])
            more = f"<NextContinuationToken>{found[page - 1]}</NextContinuationToken>" if len(found) > page else ""
            return self.say(f"<ListBucketResult xmlns='http://s3.amazonaws.com/doc/2006-03-01/'>{shown}{more}</ListBucketResult>".encode())

        def do_HEAD(self) -> None:
            self.say(b"")

        def do_PUT(self) -> None:
            objects[self.key] = self.rfile.read(int(self.headers["Content-Length"]))
            self.say(b"")

        def do_DELETE(self) -> None:
            self.say(b"" if objects.pop(self.key, None) is not None else None)

        @property
        def key(self) -> str:
            return urlsplit(self.path).path.removeprefix("/b/")

        def say(self, content: bytes | None) -> None:
            self.send_response(404 if content is None else 200)
            self.send_header("Content-Length", str(len(content or b"")))
            self.end_headers()
            self.wfile.write(content or b"")

        def log_message(self, format: str, *args: object) -> None:
            pass

    made = make_certificates(folder / "tls")
    (folder / "key").write_text(credentials_text(EXAMPLE))
    with serving(Service, made) as url:
        yield Bucket.of(f"s3://b/deep/er?endpoint={url}&region=r", folder / "key", made.ca)


@pytest.mark.parametrize("page", [1000, 2])
def test_a_bucket_keeps_objects_below_its_folder_whatever_it_lists_at_once(tmp_path: Path, page: int) -> None:
    """A service lists a thousand at most; the history of a large environment has more."""
    objects = {"another/a/x": b"theirs"}
    with bucket_in_memory(tmp_path, objects, page) as store:
        store.make()
        assert list(objects) == ["another/a/x"], "it is there"
        for number in range(5):
            store.write(f"a/{number}", b"%d" % number)
        store.write("b/x", b"")
        assert store.keys("a/") == [f"a/{number}" for number in range(5)]
        assert [store.read("a/3"), store.read("a/x")] == [b"3", None]
        store.remove("a/3")
        store.remove("a/3")
        assert store.keys("") == ["a/0", "a/1", "a/2", "a/4", "b/x"]
    assert sorted(objects) == ["another/a/x", *(f"deep/er/{key}" for key in ("a/0", "a/1", "a/2", "a/4", "b/x"))]


def test_a_write_without_its_bucket_is_no_success(tmp_path: Path) -> None:
    with bucket_that_says(404, tmp_path) as bucket:
        assert bucket.keys("") == []
        assert bucket.read("x") is None
        attempts: list[Callable[[], None]] = [partial(bucket.write, "x", b"state"), bucket.make]
        for attempt in attempts:
            with pytest.raises(LzError, match="there is no bucket b") as caught:
                attempt()
            assert "lz preflight" in caught.value.problems[0].cure


@pytest.mark.parametrize("shell", [False, True])
def test_a_key_that_is_refused_says_how_to_come_by_another(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, shell: bool) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name, raising=False)
        if shell:
            monkeypatch.setenv(name, "of the shell")
    with bucket_that_says(403, tmp_path) as bucket, pytest.raises(LzError, match="says 403") as caught:
        bucket.read("x")
    cure = caught.value.problems[0].cure
    assert (f"remove {bucket.credentials_file}, then `lz preflight`" in cure) != shell
    assert ("AWS_ACCESS_KEY_ID" in cure) == shell


@pytest.mark.parametrize("there", [True, False])
def test_a_certificate_of_another_authority_names_the_file_of_ours(tmp_path: Path, there: bool) -> None:
    other = make_certificates(tmp_path / "other").ca if there else tmp_path / "none.pem"
    with bucket_that_says(200, tmp_path) as bucket, pytest.raises(LzError, match="cannot be verified") as caught:
        replace(bucket, authority=other).read("x")
    assert str(other) in caught.value.problems[0].cure
    assert "lz preflight" in caught.value.problems[0].cure


@pytest.mark.parametrize("key", ["a'; DROP TABLE x; --", "a\nb", "a\\b"])
def test_a_key_cannot_become_a_statement(key: str) -> None:
    table = Table.of("postgres://u@127.0.0.1:1/d")
    asking: list[Callable[[str], object]] = [table.keys, table.read, table.remove, lambda key: table.write(key, b"")]
    for ask in asking:
        with pytest.raises(LzError, match="is no key"):
            ask(key)
    with pytest.raises(InputError, match="no name for a table"):
        Table.of("postgres://u@127.0.0.1:1/d?table=a;b")


def test_each_backend_has_its_store(tmp_path: Path) -> None:
    home = Home(tmp_path)
    assert stores.of(StateSpec(), home) == Folder(home.backend)
    assert isinstance(stores.of(StateSpec("s3", URL), home), Bucket)
    assert isinstance(stores.of(StateSpec("postgres", "postgres://u@127.0.0.1/d"), home), Table)


def test_keys_as_the_engine_lays_them_out() -> None:
    place = checkpoints.checkpoint("lab.north.tenant-edu")
    assert place == ".pulumi/stacks/landing-zone/lab.north.tenant-edu.json"
    assert checkpoints.stack_of(place) == "lab.north.tenant-edu"
    assert checkpoints.stack_of(checkpoints.before("lab.north.identity")) is None
    assert checkpoints.stack_of(".pulumi/stacks/other/lab.north.identity.json") is None
    assert checkpoints.stack_of(".pulumi/stacks/landing-zone/deeper/lab.north.identity.json") is None
    assert checkpoints.taken(".pulumi/history/landing-zone/x/x-1700000000000000001.checkpoint.json") == 1700000000000000001
    assert checkpoints.taken(".pulumi/history/landing-zone/x/x-17.history.json") == 0


@pytest.mark.parametrize(
    "data", [b"", b"{", b"[]", b'{"version": 3}', b'{"checkpoint": {"latest": [1]}}', b'{"checkpoint": {"latest": "x"}}']
)
def test_a_damaged_state_is_known(data: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        checkpoints.latest(data)


def test_a_stack_in_which_nothing_was_made_yet() -> None:
    assert checkpoints.latest(b'{"version": 3, "checkpoint": {"stack": "x", "latest": null}}') == {}
