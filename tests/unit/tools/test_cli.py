"""python -m tools: problems are one block and an exit status, never a traceback."""

from __future__ import annotations

from pathlib import Path

import pytest

import tools.__main__ as cli
from foundation.errors import FAULT, LzError
from foundation.progress import Progress
from tests.support.terminal import on_a_terminal
from tools import pins


def call(*arguments: str, monkeypatch: pytest.MonkeyPatch) -> int | str | None:
    monkeypatch.setattr("sys.argv", ["tools", *arguments])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    return ended.value.code


def test_without_network_and_cache_the_way_out_is_named(
    own_cache: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    assert call("install", "--no-network", monkeypatch=monkeypatch) == 1
    told = capsys.readouterr().err
    assert "pulumi 3.259.0 is not on this machine" in told
    assert "tools/install --from BUNDLE" in told
    assert "Traceback" not in told
    assert not list((own_cache / "tools").glob("pulumi*"))


def test_damaged_pins_are_bad_input(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "pins.toml"
    file.write_text("[go]\n")
    monkeypatch.setattr(pins.load, "__defaults__", (file,))
    assert call("install", monkeypatch=monkeypatch) == 2
    assert f"{file}: go.minimum" in capsys.readouterr().err


def test_a_fault_is_one_block_too(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def broken(*_: object) -> None:
        raise KeyError("a bug")

    monkeypatch.setattr("tools.engine.install", broken)
    assert call("install", monkeypatch=monkeypatch) == FAULT
    assert capsys.readouterr().err.startswith(
        "this is a fault of lz itself\n  why:   KeyError: 'a bug'\n  cure:  run it again with LZ_DEBUG"
    )


@pytest.mark.parametrize(("words", "work"), [(["install"], "tools.engine.install"), (["bundle"], "tools.bundle.make")])
def test_what_is_under_way_is_shown_live_on_a_terminal(words: list[str], work: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """There, a step that has begun is a row of the table and no line."""

    def works(*given: object, **_: object) -> None:
        (progress,) = (each for each in given if isinstance(each, Progress))
        with progress.step("the work"):
            pass
        raise LzError("that is enough")

    written = on_a_terminal(monkeypatch)
    monkeypatch.setattr(work, works)
    assert call(*words, monkeypatch=monkeypatch) == 1
    assert "the work: done" in written.getvalue()
    assert "the work ..." not in written.getvalue()


def test_every_command_says_what_it_does(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert call("--help", monkeypatch=monkeypatch) == 0
    told = capsys.readouterr().out
    assert all(name in told for name in ("install", "clean", "bundle", "tokens"))
