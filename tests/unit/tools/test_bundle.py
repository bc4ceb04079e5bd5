"""A bundle that is packed is unpacked the same; one that is damaged or for another machine is refused whole."""

from __future__ import annotations

import errno
import io
import json
import platform
import random
import sys
import tarfile
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest

from foundation import digest, repository
from foundation.errors import InputError, LzError
from foundation.progress import Progress
from tools import bundle, offline
from tools.offline import Contents

FILES = {
    "wheels/a-1-py3-none-any.whl": b"wheel",
    "programs/greeter-1/greeter": b"#!/bin/sh\n",
    "debian/trixie/a_1_all.deb": b"package",
    "debian/trixie/Release": b"Codename: trixie\n",
    "kernel/abc/linux": b"kernel",
    "bom.cdx.json": b"{}",
}


@pytest.fixture
def contents(tmp_path: Path) -> Contents:
    requirements = tmp_path / "requirements.txt"
    requirements.write_text("a==1\n")
    python = f"{sys.version_info.major}.{sys.version_info.minor}"
    sums = {}
    for name, content in FILES.items():
        file = tmp_path / "stage" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
        file.chmod(0o755 if name.endswith("greeter") else 0o600)
        sums[name] = digest.of_file(file)
    for name in offline.LAB:
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(name)
    return Contents(offline.FORMAT, platform.machine(), python, digest.of_file(requirements), offline.lab_digest(tmp_path), sums)


def packed(tmp_path: Path, contents: Contents, leave_out: str = "") -> Path:
    stage = tmp_path / "stage"
    (stage / offline.CONTENTS).write_text(json.dumps(asdict(contents)))
    names = [offline.CONTENTS, *FILES]
    target = tmp_path / "bundle.tar.gz"
    bundle.pack({name: stage / name for name in names if name != leave_out}, target)
    return target


def test_a_bundle_comes_out_as_it_went_in(tmp_path: Path, contents: Contents) -> None:
    made = packed(tmp_path, contents)
    target = tmp_path / "out"
    assert offline.unpack(made, target, digest.of_file(made)) == contents
    assert {name: (target / name).read_bytes() for name in FILES} == FILES
    assert (target / "programs/greeter-1/greeter").stat().st_mode & 0o777 == 0o755
    assert (target / "bom.cdx.json").stat().st_mode & 0o777 == 0o644


def test_the_same_contents_give_the_same_bundle(tmp_path: Path, contents: Contents, monkeypatch: pytest.MonkeyPatch) -> None:
    first = digest.of_file(packed(tmp_path, contents))
    monkeypatch.setattr("time.time", lambda: 1e9)
    (tmp_path / "stage" / "bom.cdx.json").touch()
    assert digest.of_file(packed(tmp_path, contents)) == first


def test_a_bundle_that_fits_has_no_problem(tmp_path: Path, contents: Contents) -> None:
    assert offline.unfit(contents, tmp_path, tmp_path) == []


def test_a_bundle_without_a_lab_fits_whatever_the_lab_asks_for(tmp_path: Path, contents: Contents) -> None:
    assert offline.unfit(replace(contents, lab=""), tmp_path, tmp_path) == []


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({"format": 99}, "format"),
        ({"machine": "vax"}, "processor"),
        ({"python": "2.7"}, "Python"),
        ({"requirements": "0" * 64}, "requirements.txt"),
        ({"lab": "0" * 64}, "lab"),
    ],
)
def test_a_bundle_for_elsewhere_is_named(tmp_path: Path, contents: Contents, change: dict[str, Any], what: str) -> None:
    problems = offline.unfit(replace(contents, **change), tmp_path, tmp_path)
    assert [problem.what for problem in problems] == [f"the bundle is for another {what}"]
    assert "python -m tools bundle" in problems[0].cure


def test_every_missing_and_damaged_file_is_named(tmp_path: Path, contents: Contents) -> None:
    (tmp_path / "stage" / "wheels/a-1-py3-none-any.whl").write_bytes(b"other")
    made = packed(tmp_path, contents, leave_out="bom.cdx.json")
    with pytest.raises(InputError) as caught:
        offline.unpack(made, tmp_path / "out")
    assert {problem.what for problem in caught.value.problems} == {
        "missing from the bundle: bom.cdx.json",
        "wrong checksum: wheels/a-1-py3-none-any.whl",
    }


def test_a_damaged_debian_package_is_refused_before_anything_is_installed(
    tmp_path: Path, contents: Contents, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LZ_CACHE", str(tmp_path / "cache"))
    (tmp_path / "stage" / "debian/trixie/a_1_all.deb").write_bytes(b"other")
    with pytest.raises(InputError, match=r"wrong checksum: debian/trixie/a_1_all\.deb"):
        offline.install(packed(tmp_path, contents), tmp_path)
    assert repository.source("trixie") is None
    assert list((tmp_path / "cache").rglob("*.deb")) == []


def test_what_a_bundle_brings_lies_in_the_cache_and_takes_the_place_of_older_packages(
    tmp_path: Path, contents: Contents, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LZ_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("tools.venv.make", lambda checkout, wheels: (checkout, wheels))
    older = repository.place("trixie")
    older.mkdir(parents=True)
    (older / "a_0_all.deb").touch()
    made, kernels = packed(tmp_path, contents), set[int]()
    for _ in range(2):
        assert offline.install(made, tmp_path) == contents
        assert (tmp_path / "cache/tools/greeter-1/greeter").read_bytes() == FILES["programs/greeter-1/greeter"]
        kernels.add((tmp_path / "cache/kernel/abc/linux").stat().st_ino)
        (tmp_path / "cache/tools/greeter-1/greeter").write_bytes(b"damaged")
    assert repository.source("trixie") == f"deb [trusted=yes] copy:{tmp_path}/cache/packages/trixie ./"
    assert repository.source("bookworm") is None
    assert {file.name for file in older.iterdir()} == {"a_1_all.deb", "Release"}
    assert (tmp_path / "cache/kernel/abc/linux").read_bytes() == b"kernel"
    assert len(kernels) == 1, "what is whole may be in use, and stays"
    assert (tmp_path / "cache/tools/greeter-1/greeter").is_file()


def test_a_file_that_is_not_listed_is_refused(tmp_path: Path, contents: Contents) -> None:
    made = packed(tmp_path, replace(contents, files={name: sha for name, sha in contents.files.items() if name != "bom.cdx.json"}))
    with pytest.raises(InputError, match=r"a file too many in the bundle: bom\.cdx\.json"):
        offline.unpack(made, tmp_path / "out")


def test_a_bundle_with_another_checksum_is_not_unpacked(tmp_path: Path, contents: Contents) -> None:
    with pytest.raises(InputError, match="wrong checksum: the bundle"):
        offline.unpack(packed(tmp_path, contents), tmp_path / "out", "0" * 64)
    assert not (tmp_path / "out").exists()


def test_a_bundle_cut_short_is_refused(tmp_path: Path, contents: Contents) -> None:
    made = packed(tmp_path, contents)
    made.write_bytes(made.read_bytes()[:-200])
    with pytest.raises(InputError, match="cannot be unpacked"):
        offline.unpack(made, tmp_path / "out")


def test_a_bundle_with_changed_bytes_is_refused(tmp_path: Path) -> None:
    """What is compressed has a checksum only at its end: before that the bytes make no sense."""
    made, text = tmp_path / "some.tar.gz", random.Random(1).randbytes(200_000).hex().encode()
    entry = tarfile.TarInfo("file")
    entry.size = len(text)
    with tarfile.open(made, "w:gz") as archive:
        archive.addfile(entry, io.BytesIO(text))
    data = bytearray(made.read_bytes())
    data[100_000:110_000] = b"\xff" * 10_000
    made.write_bytes(data)
    with pytest.raises(InputError, match="cannot be unpacked"):
        offline.unpack(made, tmp_path / "out")


def full(*_: object) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


def test_a_full_disk_is_not_the_bundles_fault(tmp_path: Path, contents: Contents, monkeypatch: pytest.MonkeyPatch) -> None:
    made = packed(tmp_path, contents)
    monkeypatch.setattr("shutil.copyfileobj", full)
    with pytest.raises(LzError, match="no space is left on the disk") as caught:
        offline.unpack(made, tmp_path / "out")
    assert "copy the bundle" not in str(caught.value)


def test_something_else_is_not_a_bundle(tmp_path: Path) -> None:
    made = tmp_path / "some.tar.gz"
    with tarfile.open(made, "w:gz") as archive:
        archive.addfile(tarfile.TarInfo("file"), io.BytesIO())
    with pytest.raises(InputError, match="this is not a bundle"):
        offline.unpack(made, tmp_path / "out")


def test_a_bundle_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="there is no such bundle"):
        offline.unpack(tmp_path / "absent", tmp_path / "out")


def outside(entry: tarfile.TarInfo) -> None:
    entry.name = "../escaped"


def link(entry: tarfile.TarInfo) -> None:
    entry.type = tarfile.SYMTYPE
    entry.linkname = "/etc"


@pytest.mark.parametrize("trick", [outside, link])
def test_a_bundle_cannot_write_elsewhere(tmp_path: Path, trick: Callable[[tarfile.TarInfo], None]) -> None:
    made = tmp_path / "evil.tar.gz"
    with tarfile.open(made, "w:gz") as archive:
        entry = tarfile.TarInfo("name")
        trick(entry)
        archive.addfile(entry, io.BytesIO())
    with pytest.raises(InputError, match="not a plain file inside the bundle"):
        offline.unpack(made, tmp_path / "out")
    assert not (tmp_path / "escaped").exists()


def test_the_modules_in_a_go_program_are_read(tmp_path: Path) -> None:
    binary = tmp_path / "program"
    start = bytes.fromhex("3077af0c9274080241e1c107e6d618e6")
    end = bytes.fromhex("f932433186182072008242104116d8f2")
    info = b"path\tmain\nmod\tmain\t(devel)\ndep\ta.example/x\tv1.0.0\th1:=\ndep\tb.example/y\tv2.0.0\n=>\tc.example/z\tv3.0.0\th1:=\n"
    binary.write_bytes(b"\x7fELF" + b"\0" * 5000 + start + info + end + b"\0" * 100)
    assert list(bundle.go_modules(binary)) == [("a.example/x", "v1.0.0"), ("c.example/z", "v3.0.0")]


def test_the_folder_for_a_bundle_must_exist(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="does not exist"):
        bundle.make(tmp_path / "absent" / "bundle.tar.gz", Progress())


def test_a_folder_is_no_name_for_a_bundle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Found out at the end, it would cost the minutes before."""
    monkeypatch.setattr("tools.engine.install", lambda _: pytest.fail("it began"))
    with pytest.raises(InputError, match="is to be a file"):
        bundle.make(tmp_path, Progress())


def test_a_bundle_for_which_there_is_no_room_leaves_nothing(tmp_path: Path, contents: Contents, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tarfile.TarFile.addfile", full)
    with pytest.raises(OSError, match="No space left"):
        packed(tmp_path, contents)
    assert list(tmp_path.glob("bundle*")) == []
