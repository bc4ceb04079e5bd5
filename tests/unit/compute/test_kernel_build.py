"""The kernel's build: which source, which options, what counts as finished."""

from __future__ import annotations

import json
import shutil
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from foundation import lock, progress, stopping
from foundation.errors import InputError, LzError, Problem
from foundation.process import CommandFailed
from foundation.progress import Progress
from lab import debian
from lab.compute import kernel


def test_the_newest_source_is_taken_first() -> None:
    offered = ["linux-source", "linux-source-6.9", "linux-source-7.10", "linux-source-7.3", "linux-source-7.3-rt", "linux-source-7.3"]
    assert kernel.newest_first(offered) == ["linux-source-7.10", "linux-source-7.3", "linux-source-6.9"]


def test_options_that_the_kernel_dropped_are_named() -> None:
    fragment = '# comment\nCONFIG_A=y\nCONFIG_B=n\nCONFIG_C=n\nCONFIG_D=y\nCONFIG_E="x"\n'
    config = '# CONFIG_B is not set\nCONFIG_A=y\nCONFIG_C=y\nCONFIG_E="x"\n'
    assert kernel.unmet(fragment, config) == ["CONFIG_C=n", "CONFIG_D=y"]


def finished(root: Path, name: str, package: str, inputs: str) -> Path:
    home = root / name
    home.mkdir(parents=True)
    (home / "linux").write_bytes(b"k")
    (home / "build.json").write_text(json.dumps({"package": package, "version": f"{package}-1", "inputs": inputs}))
    return home


def test_files_that_the_compiler_was_given_are_counted(tmp_path: Path) -> None:
    log = tmp_path / "make.log"
    log.write_text("patching file fs/open.c\n  CC      fs/open.o\n  AR      fs/built-in.a\n  CC      fs/read_write.o\n")
    assert kernel.compiled(log) == 2


def test_only_a_build_of_todays_inputs_counts(tmp_path: Path) -> None:
    finished(tmp_path, "a", "linux-source-7.3", kernel.inputs())
    finished(tmp_path, "b", "linux-source-7.10", kernel.inputs())
    finished(tmp_path, "c", "linux-source-8.0", "other inputs")
    finished(tmp_path, "d.part", "linux-source-9.0", kernel.inputs())  # killed before it was named
    (finished(tmp_path, "e.part", "linux-source-9.0", kernel.inputs()) / "build.json").write_text("")  # the disk was full
    found = kernel.find(tmp_path)
    assert found is not None
    assert (found.version, found.digest) == ("linux-source-7.10-1", "b")
    assert kernel.find(tmp_path / "empty") is None


def test_a_build_whose_kernel_is_gone_does_not_count(tmp_path: Path) -> None:
    (finished(tmp_path, "a", "linux-source-7.3", kernel.inputs()) / "linux").unlink()
    assert kernel.find(tmp_path) is None


def test_its_compilers_end_with_whoever_asked_for_them(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A killed run would leave a quarter of an hour's work behind, in a folder that the next run removes."""
    ran: list[list[str]] = []
    monkeypatch.setattr(kernel, "_unpack", lambda *_: None)
    monkeypatch.setattr(kernel, "_keep", lambda *_: None)

    def run(words: Sequence[object], **_: object) -> str:
        ran.append([str(word) for word in words])
        (cache / "work/out/.config").touch()
        return ""

    monkeypatch.setattr(kernel, "run", run)
    (cache / "work").mkdir(parents=True)
    apt = FakeApt(cache)
    kernel._build_one(apt.sources(Progress())[0], apt, cache / "work", Progress())  # type: ignore[arg-type]
    making = [words for words in ran if "make" in words]
    assert making
    assert all(tuple(words[: len(debian.ENDS_WITH_US)]) == debian.ENDS_WITH_US for words in making)


def test_a_missing_tool_is_named_before_anything_is_done(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LZ_CACHE", str(tmp_path))
    monkeypatch.setattr("shutil.which", lambda program: None if program in ("flex", "bc") else "/usr/bin/x")
    monkeypatch.setattr(kernel, "_build", lambda _: pytest.fail("a build was begun"))
    with pytest.raises(InputError, match="bc flex"):
        kernel.build(Progress())
    assert list((tmp_path / "kernel").iterdir()) == []


class FakeApt:
    def __init__(self, _root: Path) -> None:
        pass

    def download(self, source: kernel.Source) -> Path:
        return Path(source.package)

    def sources(self, _: Progress) -> list[kernel.Source]:
        return [kernel.Source("linux-source-7.3", "7.3.4-1"), kernel.Source("linux-source-7.2", "7.2.1-1")]


class Suites:
    """apt, whose lists have these packages; the update fails."""

    def __init__(self, offered: str) -> None:
        self.offered = offered

    def run(self, command: Sequence[str], **_: Any) -> str:
        if "update" in command:
            raise CommandFailed(Problem("Release file for testing is expired"), 100, "")
        if "search" in command:
            return self.offered
        return "Version: 7.3.4-1~bpo13+1\n" if "show" in command else ""


def test_a_suite_that_cannot_be_read_is_told_and_does_without(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(kernel, "run", Suites("linux-source-7.3 - source\n").run)
    monkeypatch.setattr(kernel, "STOP_SECONDS", 0)
    assert kernel._Apt(tmp_path).sources(Progress()) == [kernel.Source("linux-source-7.3", "7.3.4-1~bpo13+1")]
    assert "testing is expired" in capsys.readouterr().err


def test_that_no_suite_can_be_read_is_what_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kernel, "run", Suites("").run)
    monkeypatch.setattr(kernel, "STOP_SECONDS", 0)
    with pytest.raises(CommandFailed, match="testing is expired"):
        kernel._Apt(tmp_path).sources(Progress())


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("LZ_CACHE", str(tmp_path))
    monkeypatch.setattr(kernel, "_Apt", FakeApt)
    monkeypatch.setattr(kernel, "missing_tools", list)
    monkeypatch.setattr(kernel, "STOP_SECONDS", 0)
    return tmp_path / "kernel"


def test_a_source_that_fails_gives_way_to_the_one_before(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def build(source: kernel.Source, *_: Any) -> kernel.KernelBuild:
        if source.package == "linux-source-7.3":
            raise CommandFailed(Problem("patch does not apply"), 1, "")
        return kernel.KernelBuild(cache / "linux", source.version, "d")

    monkeypatch.setattr(kernel, "_build_one", build)
    assert kernel.build(Progress()).version == "7.2.1-1"
    assert not (cache / "work").exists()


def test_a_build_that_ctrl_c_has_ended_is_not_begun_anew_from_another_source(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The compiler has heard it first, and looks as if it had failed."""
    begun: list[str] = []

    def build(source: kernel.Source, *_: Any) -> kernel.KernelBuild:
        begun.append(source.package)
        stopping._told.set()
        raise CommandFailed(Problem("make: *** [linux] Interrupt"), 2, "")

    monkeypatch.setattr(stopping, "_told", threading.Event())
    monkeypatch.setattr(kernel, "_build_one", build)
    with pytest.raises(KeyboardInterrupt):
        kernel.build(Progress())
    assert begun == ["linux-source-7.3"]
    assert not (cache / "work").exists()


def test_a_build_of_another_run_is_waited_for_and_used(
    cache: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(kernel, "_build", lambda _: pytest.fail("a second build was begun"))
    monkeypatch.setattr(progress.console, "_file", None)
    held, release = threading.Event(), threading.Event()

    def other() -> None:
        with lock.exclusive(cache / "build.lock", "a build"):
            held.set()
            release.wait()
            finished(cache, "a", "linux-source-7.3", kernel.inputs())

    thread = threading.Thread(target=other)
    thread.start()
    held.wait()
    threading.Timer(0.5, release.set).start()
    try:
        assert kernel.build(Progress()).digest == "a"
    finally:
        release.set()
        thread.join()
    assert capsys.readouterr().err.count("its end is waited for") == 1


def test_a_checkout_may_have_a_space_in_its_name(cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The kernel's script that merges configurations would look for the first half of the name."""
    merged: list[str] = []

    def run(command: list[str | Path], **_: object) -> str:
        words = [str(word) for word in command]
        if words[0].endswith("merge_config.sh"):
            merged.extend(Path(name).read_text() for name in words[-1].split())
        elif words[-1] == "defconfig":
            Path(next(word for word in words if word.startswith("O="))[2:], ".config").touch()
        elif words[0] == "strip":
            Path(words[3]).touch()
        return ""

    monkeypatch.setattr(kernel, "HERE", Path(shutil.copytree(kernel.HERE, tmp_path / "my checkout")))
    monkeypatch.setattr(kernel, "run", run)
    monkeypatch.setattr(kernel, "_unpack", lambda *_: None)
    kernel.build(Progress())
    assert merged == [(kernel.HERE / "lab.config").read_text()]


def test_when_none_can_be_built_every_reason_is_told(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def build(source: kernel.Source, *_: Any) -> kernel.KernelBuild:
        raise CommandFailed(Problem(f"{source.package} is bad"), 1, "")

    monkeypatch.setattr(kernel, "_build_one", build)
    with pytest.raises(LzError) as caught:
        kernel.build(Progress())
    assert "linux-source-7.3 is bad" in str(caught.value)
    assert "linux-source-7.2 is bad" in str(caught.value)
    assert not (cache / "work").exists()


def test_patches_and_options_are_explained() -> None:
    """Each patch starts with a sentence that says what it is for; options stand under a comment."""
    for patch in sorted((kernel.HERE / "patches").glob("*.patch")):
        head = patch.read_text().split("--- a/")[0]
        assert len(head.split()) > 20, patch.name
    assert "CONFIG_HOSTFS=n" in (kernel.HERE / "lab.config").read_text().splitlines()
    assert "CONFIG_MODULES=n" in (kernel.HERE / "lab.config").read_text().splitlines()
