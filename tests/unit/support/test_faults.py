"""The proxy of the fault tests does what its faults say, and signing in gets past those that pass by themselves."""

from __future__ import annotations

import ssl
from collections import Counter
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from urllib.request import urlopen

import pytest

from foundation.errors import InputError
from landing_zone.engine import clouds
from tests.support import faults
from tests.support.faults import KINDS, Fault, Kind, Proxy, schedule
from tests.support.keystone import PASSWORD, keystone, make_certificates

SIGN_IN = ("POST", "identity")


@pytest.fixture
def proxy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Proxy]:
    monkeypatch.setattr(faults, "SLOW", 0.05)
    monkeypatch.setattr(faults, "PATIENCE", 0.05)
    monkeypatch.setattr(clouds, "SIGN_IN_PAUSES", (0.0, 0.0))
    cloud = make_certificates(tmp_path / "cloud")
    with keystone(cloud) as url:
        auth = (
            f"{{auth_url: {url}, username: admin, password: {PASSWORD}, project_name: admin, user_domain_name: d, project_domain_name: d}}"
        )
        (tmp_path / "cloud.yaml").write_text(f"clouds:\n  mine:\n    auth: {auth}\n")
        standing = Proxy(make_certificates(tmp_path / "proxy"), cloud.ca)
        standing.clouds_file(tmp_path / "cloud.yaml", tmp_path / "clouds.yaml")
        monkeypatch.setenv(clouds.VARIABLE, str(tmp_path / "clouds.yaml"))
        try:
            yield standing
        finally:
            standing.close()


def sign_in() -> None:
    entry = clouds.use(["mine"])["mine"]
    clouds.try_out([("north", entry)])


def test_every_call_comes_through(proxy: Proxy) -> None:
    with proxy.disturbed([]) as struck:
        sign_in()
    assert proxy.calls == {SIGN_IN: 1, ("GET", "identity"): 1}
    assert struck == []


def test_an_answer_names_the_proxy_wherever_the_cloud_names_itself(proxy: Proxy) -> None:
    base = next(iter(proxy._doors))
    told = proxy.told(f'{{"links": ["{base}/v3/", "https://192.0.2.1:80/"]}}')
    assert told == f'{{"links": ["{proxy.door(base)}/v3/", "https://192.0.2.1:80/"]}}'


@pytest.mark.parametrize("kind", ["429", "429 with a time to wait", "500", "503", "time-out", "reset", "lost answer", "slow"])
def test_one_fault_is_got_past(proxy: Proxy, kind: Kind) -> None:
    fault = Fault(kind, *SIGN_IN)
    with proxy.disturbed([fault]) as struck:
        sign_in()
        assert struck == [fault]
        assert proxy.calls[SIGN_IN] == (1 if kind == "slow" else 2)


@pytest.mark.parametrize(("kind", "what"), [("503", clouds.ILL), ("reset", clouds.NO_ANSWER), ("409", "signing in to the cloud failed")])
def test_a_fault_that_lasts_is_told(proxy: Proxy, kind: Kind, what: str) -> None:
    with proxy.disturbed([Fault(kind, *SIGN_IN, times=100)]), pytest.raises(InputError) as caught:
        sign_in()
    assert [problem.what for problem in caught.value.problems] == [what]


def test_a_schedule_has_every_kind_at_a_call_of_its_own() -> None:
    calls = Counter({SIGN_IN: 3, ("GET", "network"): 40, ("POST", "dns"): 1})
    made = schedule("7", KINDS, calls)
    assert [fault.kind for fault in made] == list(KINDS)
    assert len({(fault.method, fault.service, fault.first) for fault in made}) == len(KINDS)
    assert made == schedule("7", KINDS, calls)
    assert made != schedule("8", KINDS, calls)


def test_a_schedule_leaves_out_the_last_calls_which_a_shorter_run_does_not_make() -> None:
    calls = {SIGN_IN: 2, ("GET", "network"): 20, ("POST", "dns"): 1}
    made = schedule("7", ["500"] * 20, calls)  # as many as there are to choose from
    assert Counter((fault.method, fault.service) for fault in made) == {SIGN_IN: 1, ("GET", "network"): 18, ("POST", "dns"): 1}
    assert len(set(made)) == 20


def test_an_answer_is_understood_however_its_headers_are_written(proxy: Proxy, monkeypatch: pytest.MonkeyPatch) -> None:
    """Gateways before real clouds write the names of headers in small letters."""
    plain = BaseHTTPRequestHandler.send_header
    monkeypatch.setattr(BaseHTTPRequestHandler, "send_header", lambda self, name, value: plain(self, name.lower(), value))
    base = next(iter(proxy._doors))
    with urlopen(f"{proxy.door(base)}/v3/", context=ssl.create_default_context(cafile=str(proxy.certificates.ca))) as answer:
        assert f'"{proxy.door(base)}/v3/"' in answer.read().decode()
