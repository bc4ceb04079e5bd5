"""Make a bundle: one archive with every program and Python package, checksums and a CycloneDX bill of materials.

For a lab without a network also the Debian packages of host and lab, and the kernel of its instances.
"""

from __future__ import annotations

import gzip
import json
import mmap
import platform
import re
import sys
import tarfile
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from foundation import digest, process
from foundation.errors import InputError, Problem
from foundation.places import CHECKOUT, cache
from foundation.progress import Progress
from lab.compute import kernel
from lab.compute.kernel import KernelBuild
from tools import artefacts, debs, engine, offline, pins
from tools.offline import Contents

_BUILD_INFO = re.compile(
    rb"0w\xaf\x0c\x92t\x08\x02A\xe1\xc1\x07\xe6\xd6\x18\xe6(.*?)\xf92C1\x86\x18 r\x00\x82B\x10A\x16\xd8\xf2", re.DOTALL
)


@dataclass(frozen=True)
class Made:
    """A bundle that has been written."""

    path: Path
    sha256: str


@dataclass(frozen=True)
class ForLab:
    """What a lab needs of Debian: release -> its packages, all in one folder with their index; and the kernel of instances."""

    packages: Mapping[str, Sequence[debs.Package]]
    kernel: KernelBuild

    def files(self) -> dict[str, Path]:
        """Every file, by its name in the bundle."""
        home = self.kernel.path.parent
        found = {f"{offline.KERNEL}/{home.name}/{file.name}": file for file in home.iterdir()}
        for release, packages in self.packages.items():
            found |= {f"{offline.PACKAGES}/{release}/{file.name}": file for file in packages[0].file.parent.iterdir()}
        return found


def make(target: Path, progress: Progress, *, lab: bool = False) -> Made:
    """Write a bundle for machines like this one (same processor, same Python) to `target`, a .tar.gz.

    lab: also what a lab needs of Debian, for machines with the same release as this one.
    """
    if not target.parent.is_dir():
        raise InputError(Problem("the folder for the bundle does not exist", where=str(target.parent), cure="make it, or name another"))
    if target.is_dir():
        raise InputError(Problem("the bundle is to be a file, and this is a folder", where=str(target), cure="name a file in it"))
    engine.install(progress)
    known = pins.load()
    with tempfile.TemporaryDirectory(dir=cache("tools"), prefix="bundle-") as folder:
        stage = Path(folder)
        with progress.step("download Python packages"):
            download_wheels(CHECKOUT / "requirements.txt", stage / offline.WHEELS)
        inside = {f"{offline.WHEELS}/{file.name}": file for file in (stage / offline.WHEELS).iterdir()}
        for artefact in known.artefacts.values():
            place = artefacts.folder(artefact)
            inside |= {f"{offline.PROGRAMS}/{place.name}/{file.name}": file for file in place.iterdir()}
        brought = _for_lab(stage / offline.PACKAGES, progress) if lab else None
        if brought:
            inside |= brought.files()
        bill = stage / offline.BILL
        bill.write_text(json.dumps(bill_of_materials(inside, known, brought), indent=1) + "\n")
        inside[offline.BILL] = bill
        contents = Contents(
            format=offline.FORMAT,
            machine=platform.machine(),
            python=f"{sys.version_info.major}.{sys.version_info.minor}",
            requirements=digest.of_file(CHECKOUT / "requirements.txt"),
            lab=offline.lab_digest(CHECKOUT) if lab else "",
            files={name: digest.of_file(file) for name, file in sorted(inside.items())},
        )
        listing = stage / offline.CONTENTS
        listing.write_text(json.dumps(asdict(contents), indent=1) + "\n")
        with progress.step(f"pack {len(inside)} files"):
            pack({offline.CONTENTS: listing, **dict(sorted(inside.items()))}, target)
    return Made(target, digest.of_file(target))


def download_wheels(requirements: Path, target: Path) -> None:
    """Fetch every pinned Python package as a wheel, hashes checked."""
    process.run(
        [
            sys.executable, "-m", "pip", "download", "--quiet", "--require-hashes", "--only-binary", ":all:",
            "--dest", target, "-r", requirements,
        ],
        cure="check the network; behind a mirror set PIP_INDEX_URL",
    )  # fmt: skip


def _for_lab(folder: Path, progress: Progress) -> ForLab:
    """A repository a release below `folder`, and the kernel, which is built if it is not cached."""
    packages = {}
    for release, wanted in debs.wanted().items():
        with progress.step(f"download Debian packages of {release}"):
            packages[release] = debs.repository(release, wanted, folder / release, cache("tools", "logs") / f"debian-{release}.log")
    return ForLab(packages, kernel.build(progress))


def pack(files: dict[str, Path], target: Path) -> None:
    """Write `files` (name in the archive -> file) to a .tar.gz that depends on their contents alone."""
    part = target.with_name(f"{target.name}.part")
    try:
        with part.open("wb") as raw, gzip.GzipFile("", "wb", 6, raw, mtime=0) as packed, tarfile.open(fileobj=packed, mode="w") as archive:
            for name, file in files.items():
                entry = tarfile.TarInfo(name)
                entry.size = file.stat().st_size
                entry.mode = 0o755 if file.stat().st_mode & 0o100 else 0o644
                with file.open("rb") as stream:
                    archive.addfile(entry, stream)
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)  # after a full disk or Ctrl-C it would only take room


def go_modules(binary: Path) -> Iterator[tuple[str, str]]:
    """(module, version) of everything that a Go binary was built from, as the linker wrote it down; replacements count."""
    with binary.open("rb") as stream, mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as content:
        found = _BUILD_INFO.search(content)
        lines = found[1].decode().splitlines() if found else []
    for line, following in zip(lines, [*lines[1:], ""], strict=True):
        kind, *fields = line.split("\t")
        if kind == "dep" and not following.startswith("=>"):
            yield fields[0], fields[1]
        if kind == "=>":
            yield fields[0], fields[1]


def bill_of_materials(files: dict[str, Path], known: pins.Pins, lab: ForLab | None) -> dict[str, Any]:
    """CycloneDX 1.6: programs with the Go modules in them, Python packages, Debian packages, kernel; each with its SHA-256."""
    components: list[dict[str, Any]] = []
    for artefact in known.artefacts.values():
        place = artefacts.folder(artefact)
        modules = [
            {"type": "library", "name": name, "version": version, "purl": f"pkg:golang/{name}@{version}"}
            for name, version in sorted(set(go_modules(place / artefact.binary)))
        ]
        components.append(_component("application", artefact.binary, artefact.version, place / artefact.binary) | {"components": modules})
    for name, file in sorted(files.items()):
        if name.endswith(".whl"):
            package, version, *_ = file.name.split("-")
            purl = f"pkg:pypi/{package.replace('_', '-').lower()}@{version}"
            components.append(_component("library", package, version, file) | {"purl": purl})
    if lab:
        components.append(_component("operating-system", "linux", lab.kernel.version, lab.kernel.path))
        for release, packages in lab.packages.items():
            for deb in packages:
                purl = f"pkg:deb/debian/{quote(deb.name)}@{quote(deb.version)}?arch={deb.architecture}&distro={release}"
                components.append(_component("library", deb.name, deb.version, deb.file) | {"purl": purl})
    return {"bomFormat": "CycloneDX", "specVersion": "1.6", "version": 1, "components": components}


def _component(kind: str, name: str, version: str, file: Path) -> dict[str, Any]:
    return {"type": kind, "name": name, "version": version, "hashes": [{"alg": "SHA-256", "content": digest.of_file(file)}]}
