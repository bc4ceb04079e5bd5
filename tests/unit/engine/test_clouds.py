"""clouds.yaml and the clouds behind it: whatever is wrong is told in plain words, all of it at once."""

from __future__ import annotations

import contextlib
import os
import socket
import ssl
import time
import unittest.mock
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
from keystoneauth1.exceptions import ClientException
from openstack.connection import Connection
from requests.adapters import HTTPAdapter

from foundation.errors import InputError, Problem
from landing_zone.engine import clouds
from tests.support.keystone import PASSWORD, Certificates, keystone, make_certificates


@pytest.fixture
def certificates(tmp_path: Path) -> Certificates:
    return make_certificates(tmp_path / "good")


@pytest.fixture
def url(certificates: Certificates) -> Iterator[str]:
    with keystone(certificates) as address:
        yield address


def write(folder: Path, monkeypatch: pytest.MonkeyPatch, url: str, ca: Path | None, password: str = PASSWORD) -> None:
    file = folder / "clouds.yaml"
    auth = f"{{auth_url: {url}, username: admin, password: {password}, project_name: admin, user_domain_name: d, project_domain_name: d}}"
    file.write_text(f"clouds:\n  mine:\n    auth: {auth}\n" + (f"    cacert: {ca}\n" if ca else ""))
    monkeypatch.setenv(clouds.VARIABLE, str(file))


def signed_in(region: str = "north") -> None:
    entry = clouds.use(["mine"])["mine"]
    clouds.try_out([(region, entry)])


def problem_of(region: str = "north") -> tuple[str, str, str]:
    with pytest.raises(InputError) as caught:
        signed_in(region)
    assert len(caught.value.problems) == 1
    problem = caught.value.problems[0]
    return problem.what, problem.where, problem.cure


def test_a_good_entry_signs_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, url: str, certificates: Certificates) -> None:
    write(tmp_path, monkeypatch, url, certificates.ca)
    entry = clouds.use(["mine"])["mine"]
    connection = clouds.try_out([("north", entry)])["north"]
    assert connection.current_project_id == "p"
    assert entry.ca == certificates.ca.read_text()


def test_wrong_password(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, url: str, certificates: Certificates) -> None:
    write(tmp_path, monkeypatch, url, certificates.ca, "wrong")
    what, where, cure = problem_of()
    assert what == "the cloud does not accept the user name or password"
    assert "region north" in where
    assert str(tmp_path / "clouds.yaml") in where
    assert "`password`" in cure


def test_unknown_region(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, url: str, certificates: Certificates) -> None:
    write(tmp_path, monkeypatch, url, certificates.ca)
    what, _, cure = problem_of("west")
    assert what == "the cloud has no region 'west'"
    assert "`cloud_region`" in cure


def test_regions_may_have_other_names_than_in_their_clouds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, url: str, certificates: Certificates
) -> None:
    """Most clouds call their only region RegionOne, which is nobody's name for it."""
    write(tmp_path, monkeypatch, url, certificates.ca)
    entry = clouds.use(["mine"])["mine"]
    answers = clouds.try_each([("hanoi", entry), ("danang", entry)], {"hanoi": "north"})
    assert isinstance(answers["hanoi"], Connection)
    assert answers["hanoi"].config.get_region_name() == "north"
    assert isinstance(answers["danang"], Problem)
    assert answers["danang"].what == "the cloud has no region 'danang'"


@pytest.mark.parametrize(
    ("days", "ca_days", "told", "advice"),
    [
        (-1, 30, "the cloud's certificate has expired", "renew the certificate"),
        (30, -1, "the authority in the entry's `cacert` has expired", "let `cacert` name"),
    ],
    ids=["certificate", "authority"],
)
def test_what_has_expired_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, days: int, ca_days: int, told: str, advice: str) -> None:
    """OpenSSL says the same of an authority as of a certificate, which nobody needs to renew there."""
    old = make_certificates(tmp_path / "old", days=days, ca_days=ca_days)
    with keystone(old) as address:
        write(tmp_path, monkeypatch, address, old.ca)
        what, _, cure = problem_of()
    assert what == told
    assert advice in cure
    assert "clock" in cure


def test_other_authority(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    write(tmp_path, monkeypatch, url, make_certificates(tmp_path / "other").ca)
    what, _, cure = problem_of()
    assert what == "the cloud's certificate cannot be verified"
    assert "never switch verification off" in cure


def test_endpoint_down(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clouds, "SIGN_IN_PAUSES", (0.0,))
    write(tmp_path, monkeypatch, "https://127.0.0.1:1/v3", None)
    what, where, cure = problem_of()
    assert what == "the cloud does not answer"
    assert "https://127.0.0.1:1/v3" in where
    assert "lz lab status" in cure


@contextlib.contextmanager
def silent_door(kind: str) -> Iterator[str]:
    """The URL of a place where nobody answers.

    A full queue of connections makes Linux drop what comes after; one that is not full connects, and TLS gets no answer.
    """
    with contextlib.ExitStack() as held:
        door = held.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0 if kind == "packets dropped" else 8))
        for _ in range(4 if kind == "packets dropped" else 0):
            caller = held.enter_context(socket.socket())
            caller.setblocking(False)
            caller.connect_ex(door.getsockname())
        yield f"https://127.0.0.1:{door.getsockname()[1]}"


@pytest.mark.parametrize(
    ("kind", "retries", "said"),
    [("packets dropped", clouds.CONNECT_RETRIES, f"{clouds.SILENCE}, 0.5 s long"), ("never accepts", 0, "timed out")],
)
def test_a_service_that_does_not_even_refuse_is_told_soon_though_keystone_answers(
    kind: str, retries: int, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, url: str, certificates: Certificates
) -> None:
    write(tmp_path, monkeypatch, url, certificates.ca)
    connection = clouds.try_out([("north", clouds.use(["mine"])["mine"])])["north"]
    monkeypatch.setattr(clouds, "KNOCK", 0.5)
    with silent_door(kind) as door:
        began = time.monotonic()
        with pytest.raises(ClientException, match=said):
            connection.session.get(f"{door}/v2.1", connect_retries=retries)
        assert time.monotonic() - began < 5


def test_an_answer_may_take_longer_than_a_connection(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, url: str, certificates: Certificates
) -> None:
    write(tmp_path, monkeypatch, url, certificates.ca)
    with unittest.mock.patch.object(HTTPAdapter, "send", autospec=True, side_effect=HTTPAdapter.send) as sent:
        clouds.try_out([("north", clouds.use(["mine"])["mine"])])
    assert sent.call_count > 0
    assert {call.args[3] for call in sent.call_args_list} == {(clouds.KNOCK, clouds.TIMEOUT)}


@pytest.mark.parametrize(
    ("method", "status", "answers"),
    [("GET", 502, 2), ("GET", 504, 2), ("GET", 500, 1), ("HEAD", 502, 2), ("POST", 503, 2), ("POST", 502, 1), ("DELETE", 504, 1)],
)
def test_what_passes_is_asked_again_and_what_may_have_been_done_is_not_done_again(
    method: str, status: int, answers: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What stands before a service says 502 when the service broke the connection, and 504 when it took too long."""
    given: list[int] = []

    def send(*asked: object, **how: object) -> requests.Response:
        given.append(status if not given else 204)
        answer = requests.Response()
        answer.status_code = given[-1]
        return answer

    monkeypatch.setattr(HTTPAdapter, "send", send)
    session = clouds._Session()
    session.request(
        "https://127.0.0.1/v3", method, authenticated=False, raise_exc=False, status_code_retries=4, status_code_retry_delay=0.01
    )
    assert len(given) == answers


@pytest.mark.parametrize("kind", ["packets dropped", "never accepts"])
@pytest.mark.parametrize("once", [False, True])
def test_a_host_that_does_not_even_refuse_is_told_after_one_wait(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, once: bool
) -> None:
    monkeypatch.setattr(clouds, "KNOCK", 0.5)
    with silent_door(kind) as door:
        write(tmp_path, monkeypatch, f"{door}/v3", None)
        began = time.monotonic()
        problem = clouds.try_each([("north", clouds.use(["mine"])["mine"])], once=once)["north"]
        assert time.monotonic() - began < 5
    assert isinstance(problem, Problem)
    assert (problem.what, problem.why.partition(":")[0]) == (clouds.SILENCE, "no connection within 0.5 s")
    assert "north" in problem.where
    assert "firewalls" in problem.cure


def test_a_cloud_behind_a_proxy_is_not_knocked_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """There may be no other way to it; the proxy says what is wrong."""
    monkeypatch.setattr(socket, "create_connection", lambda *_: pytest.fail("knocked"))
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:1")
    monkeypatch.setenv("no_proxy", "")
    monkeypatch.setenv("NO_PROXY", "")
    monkeypatch.setattr(clouds, "SIGN_IN_PAUSES", ())
    write(tmp_path, monkeypatch, "https://cloud.example/v3", None)
    assert problem_of()[0] == clouds.NO_ANSWER


@pytest.mark.parametrize("content", ["der", "pem with a word of another alphabet"])
def test_an_authority_that_is_no_text(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, certificates: Certificates, content: str) -> None:
    """As Windows exports one: the binary form, or a PEM with names in the alphabet of its machine."""
    pem = certificates.ca.read_text()
    certificates.ca.write_bytes(ssl.PEM_cert_to_DER_cert(pem) if content == "der" else b"subject: C\xf4ng ty\n" + pem.encode())
    write(tmp_path, monkeypatch, "https://127.0.0.1:1", certificates.ca)
    what, where, cure = problem_of()
    assert what == "the CA file of cloud 'mine' is not PEM text"
    assert str(certificates.ca) in where
    assert "openssl x509" in cure


def test_every_missing_cloud_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, monkeypatch, "https://127.0.0.1:1/v3", None)
    with pytest.raises(InputError) as caught:
        clouds.use(["yours", "mine", "theirs"])
    assert [problem.what for problem in caught.value.problems] == ["clouds.yaml has no cloud 'theirs'", "clouds.yaml has no cloud 'yours'"]
    assert {problem.why for problem in caught.value.problems} == {"it has: mine"}
    for problem in caught.value.problems:
        assert "`cloud` of the region" in problem.cure
        assert clouds.VARIABLE in problem.cure


def test_no_clouds_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(clouds.VARIABLE, str(tmp_path / "none.yaml"))
    with pytest.raises(InputError, match=r"no clouds\.yaml was found") as caught:
        clouds.use(["mine"])
    assert "lz lab up" in caught.value.problems[0].cure


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("clouds: [", "cannot be read"),
        ("clouds:\n  mine: {}\n", "has no auth.auth_url"),
        ("clouds:\n  mine: {auth: {auth_url: 'https://x'}, cacert: /nowhere/ca.pem}\n", "the CA file of cloud 'mine' is missing"),
        ("just text", "has no cloud 'mine'"),
    ],
)
def test_clouds_file_that_is_not_right(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, said: str) -> None:
    file = tmp_path / "clouds.yaml"
    file.write_text(text)
    monkeypatch.setenv(clouds.VARIABLE, str(file))
    with pytest.raises(InputError) as caught:
        clouds.use(["mine"])
    assert said in str(caught.value)
    assert str(file) in caught.value.problems[0].where
    assert caught.value.problems[0].cure


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (b"clouds:\n  mine:\n    auth:\n      password: @hush7\n", 4),
        (b"clouds: {mine: {auth: {password: hush7: x}}\n", 1),
        ("clouds: {mine: {auth: {password: hush7}}}\n".encode("utf-16"), 0),
    ],
)
def test_a_broken_clouds_file_is_told_by_its_line_and_not_with_the_password_in_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: bytes, line: int
) -> None:
    file = tmp_path / "clouds.yaml"
    file.write_bytes(text)
    monkeypatch.setenv(clouds.VARIABLE, str(file))
    with pytest.raises(InputError, match=r"clouds\.yaml cannot be read") as caught:
        clouds.use(["mine"])
    assert "hush7" not in str(caught.value)
    assert caught.value.problems[0].where == (f"{file}:{line}" if line else str(file))


def test_the_file_that_is_named_is_found_from_every_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mine.yaml").write_text("clouds:\n  mine: {auth: {auth_url: 'https://mine'}}\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(clouds.VARIABLE, "mine.yaml")
    clouds.use(["mine"])
    assert os.environ[clouds.VARIABLE] == str(tmp_path / "mine.yaml")


def test_the_first_file_that_has_most_of_the_clouds_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(clouds.VARIABLE, raising=False)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("LZ_CACHE", str(tmp_path / "cache"))
    (tmp_path / "clouds.yaml").write_text("clouds:\n  other: {auth: {auth_url: 'https://other'}}\n")
    lab = tmp_path / "cache" / "lab"
    lab.mkdir(parents=True)
    (lab / "clouds.yaml").write_text("clouds:\n  lab-north: {auth: {auth_url: 'https://lab'}}\n")
    assert clouds.use(["lab-north"])["lab-north"].auth_url == "https://lab"
    assert os.environ[clouds.VARIABLE] == str(lab / "clouds.yaml")
    monkeypatch.delenv(clouds.VARIABLE)


def test_the_lab_is_called_without_a_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "localhost")
    monkeypatch.setenv("NO_PROXY", "")
    clouds.past_proxies()
    clouds.past_proxies()
    assert os.environ["no_proxy"] == f"localhost,{clouds.LAB_NETWORK}"
