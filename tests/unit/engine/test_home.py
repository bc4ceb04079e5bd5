"""The home of an environment: private files, secrets made once, keys that OpenSSH takes."""

from __future__ import annotations

import os
import subprocess
import threading
import time
from pathlib import Path

import pytest

from foundation.errors import InputError
from landing_zone.engine.home import Home


def home(tmp_path: Path) -> Home:
    root = tmp_path / "lab"
    root.mkdir(mode=0o700)
    return Home(root)


def test_a_secret_is_made_once_and_is_private(tmp_path: Path) -> None:
    place = home(tmp_path)
    first = place.secret("north.lab-edu-automation")
    assert len(first) >= 32
    assert place.secret("north.lab-edu-automation") == first
    assert place.secret("south.lab-edu-automation") != first
    files = [path for path in place.root.rglob("*") if path.is_file()]
    assert [path for path in files if path.stat().st_mode & 0o077] == []
    assert Home(place.root).secret("north.lab-edu-automation") == first


@pytest.mark.parametrize("name", ["", "../passphrase", "a/b", "UPPER", ".hidden"])
def test_names_that_are_no_names_for_a_secret(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError, match="no name for a secret"):
        home(tmp_path).secret(name)


def test_two_who_make_the_same_secret_get_the_same(tmp_path: Path) -> None:
    place = home(tmp_path)
    got: list[str] = []
    threads = [threading.Thread(target=lambda: got.append(place.secret("shared"))) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(got)) == 1


def test_the_authority_of_certificates_is_one_that_openssh_takes(tmp_path: Path) -> None:
    place = home(tmp_path)
    public = subprocess.run(["ssh-keygen", "-y", "-f", place.user_ca], capture_output=True, text=True, check=True).stdout
    assert public.split()[:2] == place.user_ca_public.split()[:2]
    assert place.user_ca_public.startswith("ssh-ed25519 ")
    assert place.user_ca.stat().st_mode & 0o077 == 0
    assert place.user_ca_public == Home(place.root).user_ca_public


def test_images_are_signed_by_a_key_of_their_own(tmp_path: Path) -> None:
    place = home(tmp_path)
    assert place.image_key.read_text() == place.image_key.read_text() != place.user_ca.read_text()
    assert place.image_key.stat().st_mode & 0o077 == 0


def test_nobody_else_looks_into_its_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LZ_CACHE", str(tmp_path))
    before = os.umask(0o022)
    try:
        place = Home.of("lab")
        made = [place.backend, place.logs, place.passes, place.aside, place.leaving, place.credentials("north"), place.work("x")]
    finally:
        os.umask(before)
    assert [path for path in (place.root, *made) if path.stat().st_mode & 0o077] == []


def test_what_is_put_aside_later_does_not_take_the_place_of_what_was_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place, said = home(tmp_path), time.strftime
    folders = []
    for second in (0, 1):
        monkeypatch.setattr(time, "strftime", lambda form, second=second: said(form, time.gmtime(second)))
        folders.append(place.aside)
    assert len(set(folders)) == 2
