"""How the lab calls its own cloud."""

from __future__ import annotations

from pathlib import Path

import pytest
from requests.utils import get_environ_proxies

from lab import cloud
from lab.settings import REGIONS, Places


def test_a_proxy_of_the_machine_is_not_asked_for_the_lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:1")
    monkeypatch.setenv("no_proxy", "")
    monkeypatch.setenv("NO_PROXY", "")
    places, north = Places(tmp_path), REGIONS["north"]
    cloud.write_clouds_yaml(places, {"north": "word"})
    address = cloud.connect(north, places).config.config["auth"]["auth_url"]
    assert str(north.api) in address
    assert get_environ_proxies(address) == {}
    assert get_environ_proxies("https://example.org")["https"] == "http://127.0.0.1:1"
