"""Obtaining a pinned program: which way is taken, and that nothing half-made is ever used."""

from __future__ import annotations

import hashlib
import io
import shutil
import tarfile
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from foundation import stopping
from foundation.errors import BusyError, InputError, LzError
from foundation.lock import exclusive
from foundation.progress import Progress
from tests.unit.tools.conftest import Site
from tools import artefacts, engine, fetch, gobuild
from tools.pins import Artefact, GoPin, Pins

GO = GoPin(minimum="1.26.0", toolchain="1.26.7", sha256={})
GREETER = b"#!/bin/sh\necho greeter v1.2.3\n"


def address(program: Artefact) -> str:
    assert program.release
    return program.release.address(program.version)


def serve_release(site: Site, program: Artefact, greeter: bytes = GREETER) -> None:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        for name, content in (("greeter/greeter", greeter), ("greeter/greeter-helper", b"helper"), ("greeter/unwanted", b"x")):
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    name = address(program).rsplit("/", 1)[1]
    site.files[f"/{name}"] = packed.getvalue()
    site.files["/checksums.txt"] = f"{hashlib.sha256(packed.getvalue()).hexdigest()}  {name}\n".encode()


def test_an_official_release_is_taken_and_checked(site: Site, program: Artefact, own_cache: Path) -> None:
    serve_release(site, program)
    made = artefacts.obtain(program, GO, Progress())
    assert made.origin.startswith(f"release {address(program)}")
    assert set(made.files) == {"greeter", "greeter-helper"}
    assert artefacts.said_version(program, artefacts.folder(program) / "greeter") == "1.2.3"
    assert not list((own_cache / "tools" / "downloads").iterdir())


def test_the_second_run_asks_nobody(site: Site, program: Artefact, own_cache: Path) -> None:
    serve_release(site, program)
    first = artefacts.obtain(program, GO, Progress())
    asked = len(site.asked)
    assert artefacts.obtain(program, GO, Progress()) == first
    assert len(site.asked) == asked


@pytest.mark.parametrize("name", ["greeter", artefacts.MANIFEST])
def test_a_damaged_program_is_obtained_anew(name: str, site: Site, program: Artefact, own_cache: Path) -> None:
    """As a power loss leaves it: names are there, and what is in the files is not."""
    serve_release(site, program)
    artefacts.obtain(program, GO, Progress())
    (artefacts.folder(program) / name).write_bytes(b"")
    assert artefacts.damaged(program) == [name]
    artefacts.obtain(program, GO, Progress())
    assert artefacts.damaged(program) == []


def test_what_an_interrupted_run_left_is_not_used(site: Site, program: Artefact, own_cache: Path) -> None:
    serve_release(site, program)
    left = artefacts.folder(program)
    left.mkdir()
    (left / "greeter").write_bytes(b"half")
    artefacts.obtain(program, GO, Progress())
    assert (left / "greeter").read_bytes() == GREETER


def test_no_other_way_is_tried_after_ctrl_c(site: Site, program: Artefact, own_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A compiler that it has ended looks as if it had failed."""
    monkeypatch.setattr(stopping, "_told", threading.Event())
    monkeypatch.setattr(gobuild, "find_go", lambda *_: pytest.fail("a build was begun"))

    def ended(*_: object) -> str:
        stopping._told.set()
        raise fetch.Unreachable("ended")

    monkeypatch.setattr(artefacts, "_release", ended)
    with pytest.raises(KeyboardInterrupt):
        artefacts.obtain(program, GO, Progress())


def test_a_wrong_checksum_is_an_error_and_no_reason_to_build(
    site: Site, program: Artefact, own_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    serve_release(site, program)
    name = address(program).rsplit("/", 1)[1]
    site.files[f"/{name}"] += b"altered"
    monkeypatch.setattr(gobuild, "find_go", lambda *_: pytest.fail("built"))
    with pytest.raises(fetch.WrongChecksum):
        artefacts.obtain(program, GO, Progress())
    assert artefacts.manifest(program) is None


def test_a_release_of_another_version_is_refused(site: Site, program: Artefact, own_cache: Path) -> None:
    serve_release(site, program, b"#!/bin/sh\necho v1.2.4\n")
    with pytest.raises(LzError, match=r"it says '1\.2\.4'"):
        artefacts.obtain(program, GO, Progress())
    assert artefacts.manifest(program) is None


def test_it_is_built_when_there_is_no_release(site: Site, program: Artefact, own_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    go = own_cache.parent / "go-compiler"
    go.write_text(
        '#!/bin/sh\ncase $1 in version) echo go version go1.26.9;; build) while [ "$1" != -o ]; do shift; done;'
        f' printf \'{GREETER.decode().encode("unicode_escape").decode()}\' > "$2"; chmod +x "$2";; esac\n'
    )
    go.chmod(0o755)
    monkeypatch.setattr(gobuild, "find_go", lambda *_: go)
    made = artefacts.obtain(program, GO, Progress())
    assert made.origin == "built by go version go1.26.9"
    assert (artefacts.folder(program) / "greeter").read_bytes() == GREETER


def test_what_has_no_release_is_only_built(site: Site, program: Artefact, own_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    built = program.model_copy(update={"release": None, "version_command": ()})
    with pytest.raises(LzError, match="only built here"):
        artefacts.obtain(built, GO, Progress(), network=False)
    monkeypatch.setattr(artefacts, "_build", lambda artefact, _, part, __: str((part / artefact.binary).write_text("mute")))
    artefacts.obtain(built, GO, Progress())
    assert (artefacts.folder(built) / "greeter").read_text() == "mute"
    assert site.asked == []


def test_every_way_that_failed_is_named(site: Site, program: Artefact, own_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gobuild, "candidates", list)
    monkeypatch.setenv("GOPROXY", site.url)
    pin = GoPin(minimum="1.26.0", toolchain="1.26.7", sha256={"linux-amd64": "0" * 64, "linux-arm64": "0" * 64})
    with pytest.raises(LzError) as caught:
        artefacts.obtain(program, pin, Progress())
    told = str(caught.value)
    assert "greeter 1.2.3 is not on this machine" in told
    assert f"{site.url}/checksums.txt" in told
    assert "there is no Go" in told
    assert not [place for place in (own_cache / "tools").iterdir() if place.name.startswith("greeter")]


def test_an_installation_on_this_machine_is_copied(site: Site, program: Artefact, own_cache: Path, tmp_path: Path) -> None:
    place = tmp_path / "pulumi" / "bin"
    place.mkdir(parents=True)
    (place / "greeter").write_bytes(GREETER)
    (place / "greeter").chmod(0o755)
    serve_release(site, program)
    assert artefacts.obtain(program, GO, Progress()).origin == f"copied from {place}"
    assert site.asked == [], "what is here goes before what the network has"


def test_an_installation_of_another_version_is_not_copied(site: Site, program: Artefact, own_cache: Path, tmp_path: Path) -> None:
    place = tmp_path / "pulumi" / "bin"
    place.mkdir(parents=True)
    (place / "greeter").write_text("#!/bin/sh\necho v9.9.9\n")
    (place / "greeter").chmod(0o755)
    with pytest.raises(LzError, match="not on this machine"):
        artefacts.obtain(program, GO, Progress(), network=False)
    assert site.asked == []


@pytest.fixture
def known(site: Site, program: Artefact, own_cache: Path) -> Pins:
    serve_release(site, program)
    plugin = program.model_copy(update={"name": "plug", "kind": "plugin"})
    return Pins(go=GO, artefacts={"greeter": program, "plug": plugin})


def test_the_engine_is_laid_out_as_pulumi_wants_it(known: Pins) -> None:
    home = engine.install(Progress(), known=known).home
    assert (home / "bin" / "greeter").read_bytes() == GREETER
    assert (home / "plugins" / "resource-plug-v1.2.3" / "greeter").read_bytes() == GREETER
    env = engine.environment(known)
    assert env["PATH"].startswith(f"{home}/bin:")
    assert env["PULUMI_HOME"] == str(home)
    assert env["PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION"] == "true"


def test_the_engine_finds_no_folder_for_its_own_logs(known: Pins) -> None:
    logs = engine.install(Progress(), known=known).home / "logs"
    assert logs.is_file()
    logs.unlink()
    logs.mkdir()
    (logs / "pulumi-20261129T080000-1.log").write_text("of an engine that was installed before")
    engine.install(Progress(), known=known)
    assert logs.is_file()
    assert logs.read_bytes() == b""


def test_the_engine_is_whole_or_not_there(known: Pins, program: Artefact, monkeypatch: pytest.MonkeyPatch) -> None:
    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("os.link", killed)
        with pytest.raises(KeyboardInterrupt):
            engine.install(Progress(), known=known)
    assert engine.installed(known) is None
    with pytest.raises(InputError, match="is not installed"):
        engine.environment(known)
    assert engine.install(Progress(), known=known) == engine.installed(known)


def test_a_damaged_program_is_mended_in_the_engine(known: Pins, program: Artefact) -> None:
    home = engine.install(Progress(), known=known).home
    (home / "bin" / "greeter").write_bytes(b"cut")
    engine.install(Progress(), known=known)
    assert (home / "bin" / "greeter").read_bytes() == GREETER


def test_a_run_that_was_ended_before_the_engine_was_mended_is_made_good(known: Pins, program: Artefact) -> None:
    """The program is whole again, by that run or from a bundle; the engine has a link to the damaged one."""
    home = engine.install(Progress(), known=known).home
    (home / "bin" / "greeter").write_bytes(b"cut")
    artefacts.obtain(program, GO, Progress())
    assert artefacts.damaged(program) == []
    engine.install(Progress(), known=known)
    assert (home / "bin" / "greeter").read_bytes() == GREETER


def test_a_second_installation_waits_for_the_first_and_takes_what_it_made(
    known: Pins, own_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = engine.install(Progress(), known=known).home
    aside = made.with_name("aside")
    made.rename(aside)
    waiting, said, heard = Progress(), list[str](), threading.Event()

    def end(line: str) -> None:
        said.append(line)
        aside.rename(made)
        heard.set()

    monkeypatch.setattr(waiting, "say", end)
    monkeypatch.setattr(artefacts, "obtain", lambda *_: pytest.fail("it was there"))
    with ThreadPoolExecutor(1) as pool:
        with exclusive(own_cache / "tools" / "lock", "installing the engine"):
            second = pool.submit(engine.install, waiting, known=known)
            assert heard.wait(20)
        assert second.result().home == made
    assert len(said) == 1
    assert "its end is waited for" in said[0]


def test_an_installation_that_does_not_end_is_told(known: Pins, own_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "PATIENCE", 0)
    with exclusive(own_cache / "tools" / "lock", "installing the engine"), pytest.raises(BusyError, match="installing the engine"):
        engine.install(Progress(), known=known)


def test_what_a_killed_cleaning_leaves_is_not_taken_for_whole(known: Pins, own_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    go = own_cache / "tools/go-1.0.0/bin/go"
    go.parent.mkdir(parents=True)
    go.touch()

    def killed(path: Path, **_: object) -> None:
        if path.exists():
            raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(shutil, "rmtree", killed)
        with pytest.raises(KeyboardInterrupt):
            engine.clean(known)
    assert not go.exists()
    go.parent.mkdir(parents=True)  # fetched again meanwhile
    engine.clean(known)
    assert not list((own_cache / "tools").glob("go-*"))


def test_cleaning_keeps_the_engine_and_nothing_else(known: Pins, own_cache: Path) -> None:
    home = engine.install(Progress(), known=known).home
    for name in ("gomod/a.example@v1/file", "greeter-1.0.0-abc/greeter", "greeter-1.2.4-abc.part/half"):
        left = own_cache / "tools" / name
        left.parent.mkdir(parents=True)
        left.write_bytes(b"12345")
    (own_cache / "tools" / "peers.lock").write_text("of another program")
    (own_cache / "tools" / "stray").write_text("12345")
    assert engine.clean(known) == 20
    assert {place.name for place in (own_cache / "tools").iterdir()} == {
        *("lock", "peers.lock", home.name),
        *(artefact.folder() for artefact in known.artefacts.values()),
    }
    assert engine.install(Progress(), network=False, known=known).home == home
