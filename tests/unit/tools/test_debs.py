"""Package files become a repository that apt can read, and are named in the bill of materials."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from foundation import digest, files, process
from foundation.process import CommandFailed
from lab import debian, trees
from lab.compute.kernel import KernelBuild
from lab.image import guest
from tools import bundle, debs, host, pins

CONTROL = """Package: {name}
Version: {version}
Architecture: {architecture}
Maintainer: Nobody <nobody@example.invalid>
Description: made by a test
 Package: of the second line of a description
"""


def package(folder: Path, name: str, version: str, architecture: str = "all") -> Path:
    """A real package file, called as apt calls it."""
    source = folder.parent / "source" / name
    (source / "DEBIAN").mkdir(parents=True)
    (source / "DEBIAN/control").write_text(CONTROL.format(name=name, version=version, architecture=architecture))
    file = folder / f"{name}_{version.replace(':', '%3a')}_{architecture}.deb"
    subprocess.run(["dpkg-deb", "--build", "--root-owner-group", source, file], check=True, capture_output=True)
    return file


@pytest.fixture
def fetched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with what apt would have downloaded."""
    folder = tmp_path / "trixie"
    folder.mkdir()
    package(folder, "plain", "1.0-1")
    package(folder, "with-epoch", "1:2.0+b1", "amd64")
    monkeypatch.setattr(debs, "download", lambda *_: None)
    return folder


def test_apt_finds_and_checks_every_package_of_a_repository(fetched: Path, tmp_path: Path) -> None:
    debs.repository("trixie", [], fetched, tmp_path / "log")
    (tmp_path / "archives/partial").mkdir(parents=True)
    (tmp_path / "status").touch()
    (tmp_path / "apt").mkdir()
    settings = {"Dir::State::Status": tmp_path / "status", "Dir::Cache": tmp_path, "Dir::Cache::Archives": tmp_path / "archives",
                "APT::Architecture": "amd64", "Debug::NoLocking": "1"}  # fmt: skip
    words = [f"-o{name}={value}" for name, value in settings.items()]
    words += host.only_from(f"deb [trusted=yes] copy:{fetched} ./", tmp_path / "apt")
    process.run(["apt-get", "update", "--error-on=any", *words])
    process.run(["apt-get", "install", "--download-only", "-y", "plain", "with-epoch", *words])
    assert sorted(file.name for file in (tmp_path / "archives").glob("*.deb")) == ["plain_1.0-1_all.deb", "with-epoch_1%3a2.0+b1_amd64.deb"]
    # mmdebstrap asks for the essential packages of a suite by its name
    shown = process.run(["apt-cache", "policy", *words])
    assert "n=trixie" in shown
    assert "a=trixie" in shown


def test_a_package_is_known_by_its_control_file(fetched: Path, tmp_path: Path) -> None:
    plain, other = debs.repository("trixie", [], fetched, tmp_path / "log")
    assert (plain.name, plain.version, plain.architecture) == ("plain", "1.0-1", "all")
    assert (other.file.name, other.version) == ("with-epoch_1%3a2.0+b1_amd64.deb", "1:2.0+b1")


def test_something_else_is_not_taken_for_a_package(fetched: Path) -> None:
    (fetched / "other_1_all.deb").write_bytes(b"not a package")
    with pytest.raises(CommandFailed, match=r"other_1_all\.deb"):
        debs.index("trixie", fetched)


def test_the_bill_names_every_debian_package_and_the_kernel(fetched: Path, tmp_path: Path) -> None:
    kernel = tmp_path / "kernel/abc/linux"
    kernel.parent.mkdir(parents=True)
    kernel.write_bytes(b"kernel")
    found = bundle.ForLab({"trixie": debs.repository("trixie", [], fetched, tmp_path / "log")}, KernelBuild(kernel, "7.1-1", "abc"))
    components = bundle.bill_of_materials({}, pins.load().model_copy(update={"artefacts": {}}), found)["components"]
    assert {component.get("purl", component["name"]): component["hashes"][0]["content"] for component in components} == {
        "linux": digest.of_file(kernel),
        "pkg:deb/debian/plain@1.0-1?arch=all&distro=trixie": digest.of_file(fetched / "plain_1.0-1_all.deb"),
        "pkg:deb/debian/with-epoch@1%3A2.0%2Bb1?arch=amd64&distro=trixie": digest.of_file(fetched / "with-epoch_1%3a2.0+b1_amd64.deb"),
    }
    assert set(found.files()) == {
        "kernel/abc/linux",
        *(f"debian/trixie/{name}" for name in ("Packages", "Release", "plain_1.0-1_all.deb", "with-epoch_1%3a2.0+b1_amd64.deb")),
    }


@pytest.mark.parametrize("release", ["bookworm", "trixie"])
def test_packages_of_lab_and_host_are_asked_of_their_own_releases(release: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(host, "release", lambda: release)
    wanted = debs.wanted()
    assert set(wanted) == {"trixie", release}
    assert {*trees.packages(), *guest.packages()} <= set(wanted["trixie"])
    assert {"python3", *files.lines(host.PACKAGES_FILE)} <= set(wanted[release])


@pytest.mark.parametrize(
    ("release", "system", "words"),
    [
        ("noble", {"ID": "ubuntu", "VERSION_CODENAME": "noble"}, ["--components=main,universe", "noble", "-"]),
        ("trixie", {"ID": "ubuntu", "VERSION_CODENAME": "noble"}, ["trixie", "-", "http://mirror.example.org/debian"]),
        ("trixie", {"ID": "debian", "VERSION_CODENAME": "trixie"}, ["trixie", "-", "http://mirror.example.org/debian"]),
    ],
)
def test_packages_of_ubuntu_come_from_ubuntu_and_half_of_them_from_universe(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, release: str, system: dict[str, str], words: list[str]
) -> None:
    monkeypatch.setenv(debian.MIRROR, "http://mirror.example.org/debian")
    monkeypatch.setattr("platform.freedesktop_os_release", lambda: system)
    called: list[str] = []
    monkeypatch.setattr(process, "run", lambda command, **_: called.extend(command))
    debs.download(release, ["mmdebstrap"], tmp_path / "debs", tmp_path / "log")
    assert [word for word in called if word.startswith("--components")] + called[called.index(release) :] == words
