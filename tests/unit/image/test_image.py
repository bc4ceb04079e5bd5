"""The guest image's recipe: what it promises, and what must not be in it."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest
import yaml

from foundation.errors import InputError
from foundation.progress import Progress
from lab import debian
from lab.image import guest as image

MANDATORY = {  # scs-0102-v1
    "architecture", "hw_disk_bus", "os_distro", "os_version", "os_purpose", "image_build_date", "image_original_user", "image_source",
    "image_description", "replace_frequency", "provided_until", "uuid_validity",
}  # fmt: skip


def test_properties_follow_the_standard() -> None:
    properties = image.properties("2026-01-31")
    assert set(properties) >= MANDATORY
    assert re.fullmatch(r"\d{4}-\d{2}-\d{2}", properties["image_build_date"])
    assert properties["replace_frequency"] in {"yearly", "quarterly", "monthly", "weekly", "daily", "critical_bug", "never"}
    assert properties["os_purpose"] == "generic"
    assert all(isinstance(value, str) for value in properties.values())


def test_packages_are_named_once() -> None:
    names = image.packages()
    assert len(names) == len(set(names))
    assert {"cloud-init", "openssh-server", "python3", "sudo", "nftables"} <= set(names)


def test_units_are_chosen_once_by_a_known_verb() -> None:
    chosen = image.units()
    assert len({unit for _, unit in chosen}) == len(chosen)
    assert {verb for verb, _ in chosen} == {"enable", "disable", "mask"}
    assert ("enable", "ssh.service") in chosen


def test_first_boot_asks_no_network_and_shows_its_keys() -> None:
    text = (image.HERE / "overlay/etc/cloud/cloud.cfg.d/50-lab.cfg").read_text()
    settings = yaml.safe_load(text)
    assert settings["datasource_list"][0] == "ConfigDrive"
    assert settings["ssh_genkeytypes"] == ["ed25519"]
    modules = settings["cloud_init_modules"]
    assert modules.index("keys_to_console") == modules.index("ssh") + 1
    for stage in ("cloud_init_modules", "cloud_config_modules", "cloud_final_modules"):
        assert re.search(rf"^{stage}: \[.*\]$", text, re.MULTILINE)


def test_nobody_logs_in_by_password() -> None:
    sshd = (image.HERE / "overlay/etc/ssh/sshd_config.d/10-lab.conf").read_text().splitlines()
    assert "PasswordAuthentication no" in sshd
    assert "PermitRootLogin no" in sshd
    for file in (image.HERE / "overlay").rglob("*"):
        if file.is_file():
            assert "chpasswd" not in file.read_text()


def test_preparing_takes_identity_and_waste_away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(image, "run", lambda *_, **__: "")
    for name in ("etc/ssh/ssh_host_rsa_key", "etc/ssh/ssh_host_ed25519_key.pub", "var/log/apt/term.log", "var/cache/apt/pkgcache.bin"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("secret")
    (tmp_path / "etc/ssh/sshd_config").write_text("keep")
    (tmp_path / "etc/machine-id").write_text("0123456789abcdef0123456789abcdef\n")
    (tmp_path / "var/lib").mkdir()
    image.prepare(tmp_path, tmp_path / "log")
    assert [path.name for path in (tmp_path / "etc/ssh").iterdir()] == ["sshd_config"]
    assert (tmp_path / "etc/machine-id").read_text() == ""
    assert not [path for path in (tmp_path / "var/log").rglob("*") if path.is_file()]


def test_a_missing_tool_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LZ_CACHE", str(tmp_path))
    monkeypatch.setattr(shutil, "which", lambda program: None if program == "mmdebstrap" else "/usr/bin/x")
    with pytest.raises(InputError, match="mmdebstrap"):
        image.build(Progress())


def test_a_build_that_fails_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LZ_CACHE", str(tmp_path))
    monkeypatch.setattr(image, "_require_tools", lambda: None)

    def fail(target: Path, *_: object, **__: object) -> None:
        target.mkdir()
        raise OSError("no space")

    monkeypatch.setattr(debian, "build_tree", fail)
    with pytest.raises(OSError, match="no space"):
        image.build(Progress())
    assert [path.name for path in (tmp_path / "image").iterdir()] == ["build.lock"]
