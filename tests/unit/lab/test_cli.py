"""`lz lab` where it does more than call the lab."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from foundation.progress import Progress
from lab import health, lifecycle
from lab.lifecycle import Standing
from lab.settings import REGIONS
from landing_zone.cli import main
from tests.support.terminal import on_a_terminal


def test_what_was_made_of_packages_goes_with_the_lab_only_where_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Packages stay, and the kernel, which takes longest."""
    monkeypatch.setenv("LZ_CACHE", str(tmp_path))
    monkeypatch.setattr(lifecycle, "down", lambda progress, *, keep: None)
    going = [tmp_path / name for name in ("lab/base/0123", "lab/seed/0123", "image/0123", "image/4567.part")]
    staying = [tmp_path / name for name in ("debs/partial", "kernel/0123")]
    for folder in (*going, *staying):
        folder.mkdir(parents=True)
    assert main(["lab", "down"]) == 0
    assert main(["lab", "down", "--keep", "--layers"]) == 2
    assert all(folder.is_dir() for folder in going)
    assert main(["lab", "down", "--layers"]) == 0
    assert not any(folder.exists() for folder in going)
    assert all(folder.is_dir() for folder in staying)


def works(progress: Progress, **_: object) -> None:
    with progress.step("the work"):
        pass


@pytest.mark.parametrize("word", ["down", "reset"])
def test_what_is_under_way_is_shown_live_on_a_terminal(word: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """There, a step that has begun is a row of the table and no line."""

    written = on_a_terminal(monkeypatch)
    monkeypatch.setattr(lifecycle, word, works)
    assert main(["lab", word]) == 0
    assert "the work: done" in written.getvalue()
    assert "the work ..." not in written.getvalue()


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["down"], {"regions": ["north"], "kept": False, "layers_removed": False}),
        (["down", "--keep"], {"regions": ["north"], "kept": True, "layers_removed": False}),
        (["down", "--layers"], {"regions": ["north"], "kept": False, "layers_removed": True}),
        (["reset"], {"regions": ["north"]}),
    ],
)
def test_what_was_done_to_the_lab_comes_as_json_where_asked_for(
    words: list[str], told: dict[str, object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("LZ_CACHE", str(tmp_path))
    monkeypatch.setattr(lifecycle, words[0], works)
    monkeypatch.setattr(lifecycle, "standing", lambda where: Standing("code", ("north",), "uml"))
    monkeypatch.setattr(lifecycle, "running", lambda where: (REGIONS["north"],))
    assert main(["lab", *words, "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {**told, "steps": [{"step": "the work", "seconds": 0.0}]}


@pytest.mark.parametrize(("silent", "code"), [("", 0), ("nova", 1)])
def test_status_fails_as_soon_as_one_service_does(silent: str, code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LZ_CACHE", str(tmp_path))
    monkeypatch.setattr(lifecycle, "standing", lambda where: Standing("code", ("north",), "uml"))
    monkeypatch.setattr(health, "probe", lambda region, where, service: health.Answer(service.name, "u", 200 * (service.name != silent), 1))
    assert main(["lab", "status"]) == code


def test_status_of_a_lab_of_other_code_tells_so_and_the_versions_that_it_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("LZ_CACHE", str(tmp_path))
    status = tmp_path / "lab/regions/north/root/var/lib/dpkg/status"
    status.parent.mkdir(parents=True)
    status.write_text("Package: nova-api\nStatus: install ok installed\nVersion: 2:31.0.0-6\n")
    monkeypatch.setattr(health, "probe", lambda region, where, service: health.Answer(service.name, "u", 200, 1))
    for code, told in (("other", True), (lifecycle.code_digest(), False)):
        monkeypatch.setattr(lifecycle, "standing", lambda where, code=code: Standing(code, ("north",), "uml"))
        assert main(["lab", "status"]) == 0
        shown = capsys.readouterr().out
        assert "2:31.0.0-6" in shown
        assert ("made by other code" in shown) is told


def test_clients_of_the_lab_go_past_a_proxy_as_those_of_others_did(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("NO_PROXY", "corp.example")
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.setattr(lifecycle, "require_running", lambda where: tuple(REGIONS.values()))
    assert main(["lab", "env"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert {f"export {name}=corp.example,198.18.0.0/15" for name in ("NO_PROXY", "no_proxy")} <= set(lines)
