"""Programs on a host: what OpenSSH is told, and that its own failure is told apart from one of the program there."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from foundation.errors import LzError
from foundation.process import CommandFailed
from landing_zone.engine.home import Home
from landing_zone.ssh.shell import on_host

SSH = """#!{python}
import json, sys
json.dump({{"words": sys.argv[1:], "heard": sys.stdin.read()}}, open({told!r}, "w"))
print({said!r})
sys.exit({status})
"""


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path)


def ssh(folder: Path, monkeypatch: pytest.MonkeyPatch, said: str = "", status: int = 0) -> Path:
    """A program of that name in front of the real one; the file tells what it was given."""
    told = folder / "told"
    (folder / "ssh").write_text(SSH.format(python=sys.executable, told=str(told), said=said, status=status))
    (folder / "ssh").chmod(0o755)
    monkeypatch.setenv("PATH", str(folder))
    return told


def given(told: Path) -> Any:
    return json.loads(told.read_text())


def test_the_program_gets_its_words_as_they_are_and_nobody_is_asked(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    told = ssh(home.root, monkeypatch, said="answer")
    assert on_host(home, "lab-bastion", ["sh", "-c", "a; b 'c'"], stdin="input") == "answer\n"
    words = given(told)["words"]
    assert words[:2] == ["-F", str(home.ssh_config)]
    assert "BatchMode=yes" in words
    assert words[words.index("--") - 1 :] == ["lab-bastion", "--", """sh -c 'a; b '"'"'c'"'"''"""]
    assert given(told)["heard"] == "input"


def test_another_way_in_may_be_named(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    told = ssh(home.root, monkeypatch)
    on_host(home, "lab-bastion", ["true"], config=home.root / "another")
    assert given(told)["words"][:2] == ["-F", str(home.root / "another")]


def test_a_host_that_is_not_entered_says_why(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    ssh(home.root, monkeypatch, said="banner\n" * 9 + "debian@198.18.1.10: Permission denied (publickey).", status=255)
    with pytest.raises(LzError, match="cannot enter lab-bastion by SSH") as caught:
        on_host(home, "lab-bastion", ["true"])
    assert not isinstance(caught.value, CommandFailed)
    assert caught.value.problems[0].why.endswith("Permission denied (publickey).")


def test_a_program_that_fails_there_is_no_closed_door(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    ssh(home.root, monkeypatch, said="Permission denied", status=1)
    with pytest.raises(CommandFailed):
        on_host(home, "lab-bastion", ["false"])
