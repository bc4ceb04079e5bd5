"""When the Python environment is made anew, and from where."""

from __future__ import annotations

import platform
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from foundation import process
from foundation.errors import LzError, Problem
from foundation.places import CHECKOUT
from tools import venv


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    for name in ("requirements.txt", "pyproject.toml"):
        shutil.copy(CHECKOUT / name, tmp_path / name)
    return tmp_path


def test_a_change_of_pins_makes_it_anew(checkout: Path) -> None:
    before = venv.stamp_text(checkout)
    with (checkout / "requirements.txt").open("a") as stream:
        stream.write("# more\n")
    assert venv.stamp_text(checkout) != before


def test_a_change_of_lint_settings_does_not(checkout: Path) -> None:
    before = venv.stamp_text(checkout)
    text = (checkout / "pyproject.toml").read_text()
    (checkout / "pyproject.toml").write_text(text.replace("line-length = 140", "line-length = 99"))
    assert venv.stamp_text(checkout) == before


def test_another_python_makes_it_anew(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = venv.stamp_text(checkout)
    monkeypatch.setattr("sys.version", "3.99")
    assert venv.stamp_text(checkout) != before


@pytest.mark.parametrize("command", [venv.install_command, venv.quick_command])
def test_hashes_are_always_required(command: Callable[[Path, Path], list[str | Path]]) -> None:
    words = command(Path("python"), CHECKOUT / "requirements.txt")
    assert "--require-hashes" in words
    assert "--no-index" not in words


def test_from_wheels_nothing_else_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[list[str | Path]] = []
    monkeypatch.setattr(process, "run", lambda command, **_: seen.append(command))
    venv.install(Path("python"), CHECKOUT / "requirements.txt", Path("/wheels"), "")
    (command,) = seen
    assert command[command.index("--no-index") + 1 : command.index("--no-index") + 3] == ["--find-links", Path("/wheels")]


def test_the_pin_of_the_installer_is_taken_with_its_hashes_and_nothing_else() -> None:
    own = "uv==2 \\\n    --hash=sha256:bb \\\n    --hash=sha256:cc\n"
    pins = f"pip==1 \\\n    --hash=sha256:aa\n    # via -r requirements.in\n{own}uvicorn==3 \\\n"
    assert venv.pin_of("uv", pins) == own
    with pytest.raises(LzError, match="wheel is not pinned"):
        venv.pin_of("wheel", pins)


@pytest.mark.parametrize("listed", ["global.cert='/ca'\nglobal.index-url='https://mirror/simple'\n", "global.timeout='9'\n"])
def test_the_quick_installer_is_told_of_the_mirror(monkeypatch: pytest.MonkeyPatch, listed: str) -> None:
    monkeypatch.delenv("PIP_INDEX_URL", raising=False)
    told: dict[str, object] = {}

    def record(command: list[str | Path], env: object = None, **_: object) -> str:
        if "uv" in command:
            told.update(env=env, command=[str(word) for word in command])
        return listed if "config" in command else ""

    monkeypatch.setattr(process, "run", record)
    venv.install(Path("python"), CHECKOUT / "requirements.txt", None, "")
    assert told["env"] == ({"UV_DEFAULT_INDEX": "https://mirror/simple"} if "index-url" in listed else None)
    assert "mirror" not in str(told["command"])


def test_pip_does_what_the_quick_installer_cannot(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    seen: list[list[str]] = []

    def refuse(command: list[str | Path], **_: object) -> str:
        seen.append([str(word) for word in command])
        if "uv" in command:
            raise LzError(Problem("exit status 2", why="error: 401 Unauthorized"))
        return ""

    monkeypatch.setattr(process, "run", refuse)
    venv.install(Path("python"), CHECKOUT / "requirements.txt", None, "")
    assert seen[-1] == [str(word) for word in venv.install_command(Path("python"), CHECKOUT / "requirements.txt")]
    assert "401 Unauthorized" in capsys.readouterr().err


def test_a_current_environment_is_left_alone(checkout: Path) -> None:
    (checkout / ".venv").mkdir()
    (checkout / ".venv" / "stamp").write_text(venv.stamp_text(checkout))
    assert venv.make(checkout) is False


def test_a_failed_environment_is_not_taken_for_a_good_one(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stamp = checkout / ".venv" / "stamp"
    stamp.parent.mkdir()
    stamp.write_text("older")

    def fail_at_packages(command: list[str | Path], **_: object) -> str:
        stamp.parent.mkdir(exist_ok=True)
        if "--require-hashes" in command:
            raise LzError("no such package")
        return ""

    monkeypatch.setattr(process, "run", fail_at_packages)
    with pytest.raises(LzError, match="no such package"):
        venv.make(checkout)
    assert not stamp.exists()


def test_new_pins_are_put_into_an_environment_that_fits(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = checkout / ".venv"
    target.mkdir()
    (target / "stamp").write_text("older pins")
    (target / "pyvenv.cfg").write_text(f"version = {platform.python_version()}\ncommand = python3 -m venv {target}\n")
    seen: list[list[str]] = []

    def record(command: list[str | Path], **_: object) -> str:
        seen.append([str(word) for word in command])
        return '[{"name": "landing_zone"}, {"name": "PyYAML"}, {"name": "old.thing"}]' if "list" in command else ""

    monkeypatch.setattr(process, "run", record)
    assert venv.make(checkout) is True
    assert not any("venv" in command for command in seen)
    assert seen[-1][-1] == "old-thing"
    assert (target / "stamp").read_text() == venv.stamp_text(checkout)


@pytest.mark.parametrize(
    "config", ["version = 3.99\ncommand = python3 -m venv {}\n", "version = {1}\ncommand = python3 -m venv /elsewhere\n"]
)
def test_an_environment_of_another_python_or_place_does_not_fit(tmp_path: Path, config: str) -> None:
    (tmp_path / "pyvenv.cfg").write_text(config.format(tmp_path, platform.python_version()))
    assert venv.fits(tmp_path) is False
