"""The role's own module for files: what it says it changes, what it makes, and what it leaves."""

from __future__ import annotations

import grp
import importlib.util
import os
import pwd
from pathlib import Path
from typing import Any

import pytest

from foundation.places import CHECKOUT

SPEC = importlib.util.spec_from_file_location("files", CHECKOUT / "roles/node_baseline/library/node_baseline_files.py")
assert SPEC
assert SPEC.loader
module = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(module)

ME = {"owner": pwd.getpwuid(os.geteuid()).pw_name, "group": grp.getgrgid(os.getegid()).gr_name}


def entry(path: Path, **given: str) -> dict[str, Any]:
    shipped = {name: option.get("default") for name, option in module.ENTRY.items()}
    return {**shipped, **ME, "path": str(path), **given}


def settle(path: Path, *, check: bool = False, **given: str) -> dict[str, str] | None:
    changed: dict[str, str] | None = module.settle(entry(path, **given), check=check)
    return changed


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o7777


def test_a_file_is_made_with_its_folders_once(tmp_path: Path) -> None:
    file = tmp_path / "etc/new.d/file"
    old = os.umask(0o077)
    try:
        made = settle(file, content="a\n", mode="0640")
    finally:
        os.umask(old)
    assert made == {"before_header": str(file), "after_header": str(file), "before": "", "after": "contents of a file of mode 0640\n"}
    assert (file.read_text(), mode(file), mode(file.parent)) == ("a\n", 0o640, 0o755)
    assert [each.name for each in file.parent.iterdir()] == ["file"]
    assert settle(file, content="a\n", mode="0640") is None


def test_what_differs_is_said_and_put_right(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("old\n")
    file.chmod(0o600)
    assert settle(file, content="old\n", mode="0644")
    assert mode(file) == 0o644
    changed = settle(file, content="new\n", mode="0644")
    assert changed
    assert (changed["before"], changed["after"]) == ("old\n", "new\n")
    assert file.read_text() == "new\n"


def test_contents_that_not_everybody_may_read_are_in_no_difference(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("old secret\n")
    file.chmod(0o600)
    opened = settle(file, content="new\n", mode="0644", check=True)
    assert opened
    assert (opened["before"], opened["after"]) == ("contents of a file of mode 0600\n", "new\n")
    closed = settle(file, content="new secret\n", mode="0640")
    assert closed
    assert "secret" not in "".join(closed.values())
    assert file.read_text() == "new secret\n"


def test_check_mode_says_the_same_and_touches_nothing(tmp_path: Path) -> None:
    file, folder, absent = tmp_path / "file", tmp_path / "folder", tmp_path / "absent"
    absent.write_text("")
    file.write_text("old\n")
    file.chmod(0o640)
    assert settle(file, check=True, content="new\n", mode="0644")
    assert settle(file, check=True, content="old\n", mode="0600")
    assert settle(folder, check=True, state="directory", mode="0755")
    assert settle(absent, check=True, state="absent")
    assert (file.read_text(), mode(file), folder.exists(), absent.exists()) == ("old\n", 0o640, False, True)


def test_a_link_is_replaced_and_what_it_led_to_is_left(tmp_path: Path) -> None:
    other, link = tmp_path / "other", tmp_path / "link"
    other.write_text("other\n")
    link.symlink_to(other)
    assert settle(link, content="other\n", mode="0644")
    assert not link.is_symlink()
    assert other.read_text() == "other\n"


def test_a_file_that_its_program_refuses_does_not_replace(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("good\n")
    with pytest.raises(module.Refused, match=rf"grep -q good {file}: "):
        settle(file, content="bad\n", mode="0644", validate="grep -q good %s")
    assert [(each.name, each.read_text()) for each in tmp_path.iterdir()] == [("file", "good\n")]
    assert settle(file, content="good as well\n", mode="0644", validate="grep -q good %s")


def test_folders_and_what_is_kept(tmp_path: Path) -> None:
    folder, kept = tmp_path / "a/b", tmp_path / "kept"
    assert settle(folder, state="directory", mode="0700")
    assert (mode(folder), mode(folder.parent)) == (0o700, 0o755)
    assert settle(folder, state="directory", mode="0700") is None
    assert settle(kept, state="kept", mode="0600") is None
    kept.write_text("")
    kept.chmod(0o754)
    assert settle(kept, state="kept", at_most="0700")
    assert mode(kept) == 0o700
    assert settle(kept, state="kept", at_most="0700") is None


def test_what_shall_not_be_there_goes(tmp_path: Path) -> None:
    file, folder = tmp_path / "file", tmp_path / "folder"
    file.write_text("")
    (folder / "below").mkdir(parents=True)
    for path in (file, folder):
        assert settle(path, state="absent")
        assert not path.exists()
        assert settle(path, state="absent") is None
