"""Configuration: complete, without fixed passwords, and open to the outside by TLS only."""

from __future__ import annotations

import configparser
import re
from pathlib import Path

import pytest

from lab import secrets
from lab.daemons import UWSGI_APPS, drop_ins
from lab.render import templates
from lab.settings import REGIONS, SERVICES


@pytest.fixture(scope="module")
def values(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    return secrets.load_or_make(tmp_path_factory.mktemp("secrets") / "secrets.json")


@pytest.fixture(scope="module", params=sorted(REGIONS))
def texts(request: pytest.FixtureRequest, values: dict[str, str]) -> dict[str, str]:
    return templates(REGIONS[request.param], values)


def test_nothing_is_left_unfilled(texts: dict[str, str]) -> None:
    for name, text in texts.items():
        assert not re.search(r"\{\{|\{%|@[A-Z]+@", text), name


def test_openstack_files_are_valid_ini_without_a_key_twice(texts: dict[str, str]) -> None:
    names = ("keystone", "nova", "neutron", "cinder", "octavia", "barbican", "placement", "designate")
    for service in ("glance/glance-api", *(f"{name}/{name}" for name in names)):
        parser = configparser.ConfigParser(strict=True, interpolation=None)
        parser.read_string(texts[f"etc/{service}.conf"])
        assert parser["oslo_policy"]["enforce_scope"] == "true"
        assert parser["oslo_policy"]["enforce_new_defaults"] == "true"


def test_every_password_is_a_made_one(texts: dict[str, str], values: dict[str, str]) -> None:
    for name, text in texts.items():
        for found in re.findall(r"^(?:password|metadata_proxy_shared_secret|default_pass|kek) = (.+)$", text, re.M):
            assert found in values.values(), name
        for found in re.findall(r"://[a-z]+:([^@]+)@", text):
            assert found in values.values(), name


def test_services_of_the_machine_listen_on_loopback_only(texts: dict[str, str]) -> None:
    for app in UWSGI_APPS:
        assert f"http-socket = 127.0.0.1:{app.port}\n" in texts[f"etc/lab-uwsgi/{app.unit}.ini"]
    for name, text in texts.items():
        assert not re.search(r"^(bind_ip|bind_host|bind-address|listen) = (0\.0\.0\.0|::)", text, re.M), name


def test_haproxy_serves_every_endpoint_by_tls_1_3_only(texts: dict[str, str]) -> None:
    config = texts["etc/haproxy/haproxy.cfg"]
    assert "ssl-min-ver TLSv1.3" in config
    assert "  ssl-default-bind-curves X25519:prime256v1:secp384r1\n" in config
    assert config.count("http-response set-header Strict-Transport-Security ") == len(SERVICES)
    binds = re.findall(r"^  bind \S+:(\d+) ssl crt", config, re.M)
    assert sorted(map(int, binds)) == sorted(service.port for service in SERVICES)
    assert len(re.findall(r"^  bind ", config, re.M)) == len(binds)


def test_haproxy_keeps_idle_connections_longer_than_clients_do(texts: dict[str, str]) -> None:
    config = texts["etc/haproxy/haproxy.cfg"]
    [kept] = re.findall(r"^  timeout http-keep-alive (\d+)s$", config, re.M)
    assert int(kept) > 90  # Go's http.DefaultTransport


def test_uwsgi_dies_when_its_application_cannot_be_imported_and_is_started_again(texts: dict[str, str]) -> None:
    for app in UWSGI_APPS:
        assert "need-app = true" in texts[f"etc/lab-uwsgi/{app.unit}.ini"]
        assert "add-header = Connection: close" in texts[f"etc/lab-uwsgi/{app.unit}.ini"]
        assert "Restart=always" in drop_ins()[f"{app.unit}.service.d/lab.conf"]


def test_secrets_are_private_and_stay_the_same(tmp_path: Path) -> None:
    file = tmp_path / "secrets.json"
    first = secrets.load_or_make(file)
    assert file.stat().st_mode & 0o777 == 0o600
    assert secrets.load_or_make(file) == first
    assert len(set(first.values())) == len(first)
