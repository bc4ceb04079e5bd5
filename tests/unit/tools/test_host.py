"""Which packages the host lacks."""

from __future__ import annotations

from pathlib import Path

import pytest

from foundation import files, process, repository
from foundation.errors import InputError, LzError, Problem
from foundation.process import CommandFailed
from lab import requirements
from lab.compute import kernel
from lab.image import guest
from landing_zone.image import build
from tools import host

STATE = "gcc installed\nmake config-files\nlibc6-dev:amd64 installed\n"


def test_every_package_of_the_list_has_a_purpose() -> None:
    lines = [line for line in host.PACKAGES_FILE.read_text().splitlines() if line and not line.startswith("#")]
    assert [line for line in lines if not line.partition("#")[2].strip()] == []


def test_whatever_a_program_is_refused_for_is_installed_beforehand() -> None:
    everywhere = {"apt", "dpkg", "tar", "util-linux", "mount"}  # on every Debian and Ubuntu
    along = {"binutils", "perl"}  # gcc and mmdebstrap bring them
    asked = {*requirements.PROGRAMS.values(), *kernel.HOST_PACKAGES, *guest.TOOLS.values(), *build.TOOLS.values()}
    assert asked - everywhere - along - set(files.lines(host.PACKAGES_FILE)) == set()


def test_removed_and_unknown_packages_are_missing() -> None:
    assert host.missing(["gcc", "make", "bc", "libc6-dev"], STATE) == ["make", "bc"]


def test_nothing_is_run_when_nothing_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(host, "dpkg_state", lambda: STATE)
    monkeypatch.setattr(process, "run", lambda *_, **__: pytest.fail("ran a program"))
    assert host.ensure(["gcc"]) == []


def test_without_root_the_command_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(host, "dpkg_state", lambda: STATE)
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    with pytest.raises(InputError, match="sudo apt-get install -y -q --no-install-recommends bc"):
        host.ensure(["gcc", "bc"])


def test_missing_packages_are_installed(monkeypatch: pytest.MonkeyPatch, own_cache: Path) -> None:
    ran: list[list[str]] = []
    monkeypatch.setattr(host, "dpkg_state", lambda: STATE)
    monkeypatch.setattr("os.geteuid", lambda: 0)
    monkeypatch.setattr(process, "run", lambda command, **_: ran.append(command))
    assert host.ensure(["gcc", "bc", "make"]) == ["bc", "make"]
    assert ran[0][:2] == ["apt-get", "update"]
    assert ran[1][-2:] == ["bc", "make"]


def test_packages_of_a_bundle_are_the_only_source(monkeypatch: pytest.MonkeyPatch, own_cache: Path) -> None:
    ran: list[list[str]] = []
    listings: list[str] = []

    def run(command: list[str], **_: object) -> None:
        ran.append(command)
        listings.extend(Path(word.partition("=")[2]).read_text() for word in command if word.startswith("-oDir::Etc::SourceList="))

    repository.place("trixie").mkdir(parents=True)
    (repository.place("trixie") / "Release").touch()
    monkeypatch.setattr(host, "dpkg_state", lambda: STATE)
    monkeypatch.setattr("os.geteuid", lambda: 0)
    monkeypatch.setattr(process, "run", run)
    monkeypatch.setattr(host, "release", lambda: "bookworm")
    host.ensure(["bc"])
    assert listings == [], "the bundle's packages are for another release"
    monkeypatch.setattr(host, "release", lambda: "trixie")
    host.ensure(["bc"])
    assert listings == [f"deb [trusted=yes] copy:{own_cache}/packages/trixie ./\n"] * 2
    assert [command[1] for command in ran] == ["update", "install"] * 2
    assert all("-oDir::Etc::SourceParts=-" in command for command in ran[2:])


def test_another_distribution_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.which", lambda _: None)
    with pytest.raises(InputError, match="not Debian or Ubuntu"):
        host.dpkg_state()


@pytest.fixture
def locked(monkeypatch: pytest.MonkeyPatch, own_cache: Path) -> list[str]:
    """A machine that installs its updates: apt-get is refused three times. What was run."""
    ran: list[str] = []

    def run(command: list[str], *, env: dict[str, str], **_: object) -> None:
        ran.append(command[1])
        assert env["LC_ALL"] == "C", "what apt says is read"
        if len(ran) <= 3:
            said = "E: Could not get lock /var/lib/dpkg/lock-frontend. It is held by process 812 (unattended-upgr)"
            raise CommandFailed(Problem("exit status 100: apt-get", why=said, cure="check that the mirror answers"), 100, said)

    monkeypatch.setattr(host, "dpkg_state", lambda: STATE)
    monkeypatch.setattr("os.geteuid", lambda: 0)
    monkeypatch.setattr(process, "run", run)
    monkeypatch.setattr(host, "PAUSE", 0.0)
    return ran


def test_a_machine_that_installs_its_updates_is_waited_for(locked: list[str]) -> None:
    assert host.ensure(["bc"]) == ["bc"]
    assert locked == ["update"] * 4 + ["install"]


def test_who_holds_the_lock_too_long_is_named(locked: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(host, "PATIENCE", 0.0)
    with pytest.raises(LzError) as caught:
        host.ensure(["bc"])
    (problem,) = caught.value.problems
    assert "process 812 (unattended-upgr)" in problem.why
    assert "mirror" not in problem.cure
