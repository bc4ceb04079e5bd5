"""Which Go is taken, and how a build is planned."""

from __future__ import annotations

import hashlib
import zipfile
from pathlib import Path

import pytest

from foundation.errors import LzError
from foundation.progress import Progress
from tests.unit.tools.conftest import Site
from tools import fetch, gobuild
from tools.pins import Artefact, GoPin, go_arch


def fake_go(folder: Path, version: str) -> Path:
    folder.mkdir(parents=True)
    go = folder / "go"
    go.write_text(f"#!/bin/sh\ntest $GOTOOLCHAIN = local && echo go version go{version} linux/amd64\n")
    go.chmod(0o755)
    return go


@pytest.mark.parametrize(
    ("text", "version"),
    [("go version go1.26.8 linux/amd64", (1, 26, 8)), ("1.26", (1, 26, 0)), ("go1.27rc1", (1, 27, 0)), ("devel", None)],
)
def test_versions_are_read(text: str, version: tuple[int, int, int] | None) -> None:
    assert gobuild.version_of(text) == version


@pytest.mark.parametrize(("version", "good"), [("1.26.0", True), ("1.30.1", True), ("1.25.9", False), ("1.9.9", False)])
def test_only_a_new_enough_go_is_usable(tmp_path: Path, version: str, good: bool) -> None:
    assert gobuild.usable(fake_go(tmp_path / "bin", version), "1.26.0") is good


def test_a_go_that_does_not_run_is_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = tmp_path / "broken"
    broken.write_text("#!/bin/sh\nexit 1\n")
    broken.chmod(0o755)
    new = fake_go(tmp_path / "new", "1.26.1")
    monkeypatch.setattr(gobuild, "candidates", lambda: [broken, fake_go(tmp_path / "old", "1.19.8"), new])
    assert gobuild.find_go(GoPin(minimum="1.26.0", toolchain="1.26.7", sha256={}), Progress()) == new


def test_the_go_on_path_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    go = fake_go(tmp_path / "bin", "1.26.1")
    monkeypatch.setenv("PATH", str(go.parent))
    assert gobuild.candidates()[0] == go


@pytest.mark.parametrize(
    ("setting", "proxies"),
    [
        ("", ["https://proxy.golang.org"]),
        ("off", ["https://proxy.golang.org"]),
        ("https://a.example/go/|https://b.example,direct", ["https://a.example/go", "https://b.example"]),
    ],
)
def test_proxies_come_from_goproxy(setting: str, proxies: list[str]) -> None:
    assert gobuild.proxies(setting) == proxies


def test_a_toolchain_is_fetched_as_a_module_when_there_is_no_go(
    tmp_path: Path, own_cache: Path, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = f"v0.0.1-go1.26.7.linux-{go_arch()}"
    archive = tmp_path / "toolchain.zip"
    with zipfile.ZipFile(archive, "w") as package:
        for file in ("bin/go", "pkg/tool/linux/compile", "VERSION"):
            package.writestr(f"golang.org/toolchain@{name}/{file}", "#!/bin/sh\necho go version go1.26.7\n")
    site.files[f"/golang.org/toolchain/@v/{name}.zip"] = archive.read_bytes()
    monkeypatch.setenv("GOPROXY", f"{site.url},direct")
    monkeypatch.setattr(gobuild, "candidates", list)
    pin = GoPin(minimum="1.26.0", toolchain="1.26.7", sha256={f"linux-{go_arch()}": hashlib.sha256(archive.read_bytes()).hexdigest()})
    go = gobuild.find_go(pin, Progress())
    assert gobuild.usable(go, pin.minimum)
    assert go.parent.parent.parent == own_cache / "tools"
    assert (go.parents[1] / "pkg/tool/linux/compile").stat().st_mode & 0o100
    assert not (go.parents[1] / "VERSION").stat().st_mode & 0o100
    assert gobuild.find_go(pin, Progress()) == go
    assert len(site.asked) == 1


def test_without_go_and_without_proxy_the_cure_is_said(own_cache: Path, site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GOPROXY", site.url)
    monkeypatch.setattr(gobuild, "candidates", list)
    pin = GoPin(minimum="1.26.0", toolchain="1.26.7", sha256={f"linux-{go_arch()}": "0" * 64})
    with pytest.raises(fetch.Unreachable, match=r"install Go 1\.26\.0 or newer"):
        gobuild.find_go(pin, Progress())


def test_a_toolchain_cannot_write_outside_its_folder(tmp_path: Path) -> None:
    archive = tmp_path / "toolchain.zip"
    with zipfile.ZipFile(archive, "w") as package:
        package.writestr("golang.org/toolchain@v0.0.1/../../escaped", "x")
    with pytest.raises(LzError, match="outside its folder"):
        gobuild.unpack_toolchain(archive, tmp_path / "root" / "go")
    assert not list(tmp_path.rglob("escaped"))
    assert not (tmp_path / "root" / "go").exists()


def test_a_toolchain_takes_the_place_of_what_is_left_of_one(tmp_path: Path) -> None:
    archive, root = tmp_path / "toolchain.zip", tmp_path / "go"
    with zipfile.ZipFile(archive, "w") as package:
        package.writestr("golang.org/toolchain@v0.0.1/bin/go", "x")
    (root / "src").mkdir(parents=True)
    gobuild.unpack_toolchain(archive, root)
    assert [str(path.relative_to(root)) for path in root.rglob("*")] == ["bin", "bin/go"]


def test_a_build_is_planned_from_the_pin(program: Artefact, own_cache: Path) -> None:
    steps = gobuild.plan(program, Path("/go"), Path("/out/greeter"))
    assert steps.command == (
        *("/go", "build", "-v", "-p", "2", "-tags", "a,b"),
        *("-ldflags", "-s -w -X main.version=v1.2.3", "-o", "/out/greeter", "."),
    )
    assert steps.cwd == program.sources()
    assert steps.env["GOMODCACHE"] == str(own_cache / "tools" / "gomod")
    assert "-mod=readonly" in steps.env["GOFLAGS"]


def test_a_build_never_weakens_the_checksum_database(program: Artefact, own_cache: Path) -> None:
    env = gobuild.plan(program, Path("/go"), Path("/out")).env
    assert not {"GOSUMDB", "GONOSUMDB", "GONOSUMCHECK", "GOINSECURE", "GOPRIVATE"} & set(env)


def test_a_failed_build_says_what_the_compiler_said(tmp_path: Path, program: Artefact, own_cache: Path) -> None:
    go = tmp_path / "go-that-fails"
    go.write_text('#!/bin/sh\ntest "$1" = list && exit 0\necho "main.go:3: no such thing" >&2\nexit 2\n')
    go.chmod(0o755)
    log = tmp_path / "build.log"
    with pytest.raises(gobuild.BuildFailed) as caught:
        gobuild.build(program, go, tmp_path / "out", log, Progress())
    problem = caught.value.problems[0]
    assert problem.what == "greeter 1.2.3 cannot be built"
    assert "main.go:3: no such thing" in problem.why
    assert problem.where == str(log)
    assert "bundle" in problem.cure
