"""How the lab calls its own cloud."""

from __future__ import annotations

from pathlib import Path
from unittest.mock import MagicMock

import pytest
from requests.utils import get_environ_proxies

from lab import cloud
from lab.image import GuestImage, guest
from lab.settings import REGIONS, Places
from tests.unit.image.test_image import MANDATORY


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


def test_every_public_image_says_what_scs_0102_asks_and_one_is_for_everything(tmp_path: Path) -> None:
    """The standard's own check looks at kernel and initrd too: Glance has them as images."""
    region = MagicMock()
    region.image.images.return_value = []
    region.image.create_image.side_effect = lambda name, **_: MagicMock(id=f"id of {name}")
    file = tmp_path / "file"
    cloud.publish_guest(region, GuestImage(guest.NAME, file, file, file, "digest", 5, 512, guest.properties("2026-01-31")))
    offered = {call.args[0]: call.kwargs for call in region.image.create_image.call_args_list}
    assert list(offered) == ["debian-13-kernel", "debian-13-ramdisk", "debian-13"]
    for name, told in offered.items():
        assert told["visibility"] == "public"
        assert {*MANDATORY, "min_disk", "min_ram"} - set(told) == set(), name
    assert [name for name, told in offered.items() if told["os_purpose"] == "generic"] == ["debian-13"]
    assert (offered["debian-13"]["kernel_id"], offered["debian-13"]["ramdisk_id"]) == ("id of debian-13-kernel", "id of debian-13-ramdisk")
