"""Bring one pinned program into the cache: there already, on this machine, an official release, or built here."""

from __future__ import annotations

import json
import os
import re
import shutil
import tarfile
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

from foundation import digest, process, stopping
from foundation.errors import LzError, Problem
from foundation.places import cache
from foundation.progress import Progress
from tools import fetch, gobuild
from tools.pins import Artefact, GoPin, Release

MANIFEST = "manifest.json"


@dataclass(frozen=True)
class Manifest:
    """Written last into an artefact's folder: which version, how it was obtained, SHA-256 of every file."""

    name: str
    version: str
    origin: str
    files: dict[str, str]


def folder(artefact: Artefact) -> Path:
    """Where the artefact lies, complete or not at all."""
    return cache("tools") / artefact.folder()


def manifest(artefact: Artefact) -> Manifest | None:
    """The manifest of an artefact in the cache, None when it is not there, or cut off as after a power loss."""
    try:
        return Manifest(**json.loads((folder(artefact) / MANIFEST).read_text()))
    except (FileNotFoundError, ValueError):
        return None


def damaged(artefact: Artefact) -> list[str]:
    """Names of the files that are missing or have changed since they were put into the cache."""
    known = manifest(artefact)
    place = folder(artefact)
    files = known.files if known else {MANIFEST: ""}
    return [name for name, sha256 in files.items() if not (place / name).is_file() or digest.of_file(place / name) != sha256]


def obtain(artefact: Artefact, go: GoPin, progress: Progress, network: bool = True) -> Manifest:
    """Make sure that the artefact is in the cache, whole. Raises LzError with every way that was tried.

    Without `network` only what is on this machine already is taken.
    """
    there = manifest(artefact)
    if there and not damaged(artefact):
        return there
    target = folder(artefact)
    part = target.with_name(f"{target.name}.part")
    for place in (part, target):
        shutil.rmtree(place, ignore_errors=True)
    ways: list[Callable[[], str]] = []
    if artefact.release:
        ways.append(partial(_copy, artefact, artefact.release, part))
    if artefact.release and network:
        ways.append(partial(_release, artefact, artefact.release, part, progress))
    if network:
        ways.append(partial(_build, artefact, go, part, progress))
    problems = [] if ways else [Problem(f"{artefact.name} {artefact.version} is only built here", cure="run with a network")]
    for way in ways:
        stopping.pause(0)
        part.mkdir(parents=True, exist_ok=True)
        try:
            origin = way()
            _check_version(artefact, part / artefact.binary)
            break
        except (fetch.Unreachable, gobuild.BuildFailed) as problem:
            problems += problem.problems
            shutil.rmtree(part)
    else:
        raise LzError(*problems)
    made = Manifest(artefact.name, artefact.version, origin, {file.name: digest.of_file(file) for file in sorted(part.iterdir())})
    (part / MANIFEST).write_text(json.dumps(asdict(made), indent=1) + "\n")
    part.rename(target)
    return made


def said_version(artefact: Artefact, binary: Path) -> str:
    """The version that a binary prints, "" when it does not run."""
    try:
        output = process.run([binary, *artefact.version_command], timeout=30)
    except LzError:
        return ""
    found = re.search(r"\d+\.\d+\.\d+[^\s]*", output)
    return found[0] if found else ""


def _check_version(artefact: Artefact, binary: Path) -> None:
    said = said_version(artefact, binary) if artefact.version_command else artefact.version
    if said != artefact.version:
        raise LzError(
            Problem(
                f"{artefact.binary} is not version {artefact.version}",
                where=str(binary),
                why=f"it says {said!r}",
                cure="the pin and what was obtained differ: correct tools/pins.toml",
            )
        )


def _copy(artefact: Artefact, release: Release, part: Path) -> str:
    """Take an official installation of the same version that this machine has already."""
    home = Path(os.environ.get("PULUMI_HOME", Path.home() / ".pulumi"))
    if artefact.kind == "cli":
        on_path = shutil.which(artefact.binary)
        places = [Path(on_path).resolve().parent] if on_path else []
        places.append(home / "bin")
    else:
        places = [home / "plugins" / f"resource-{artefact.name}-v{artefact.version}"]
    for place in places:
        if (place / artefact.binary).is_file() and said_version(artefact, place / artefact.binary) == artefact.version:
            for name in release.keep:
                if (place / name).is_file():
                    shutil.copy2(place / name, part / name)
            return f"copied from {place}"
    raise fetch.Unreachable(
        Problem(
            f"{artefact.binary} {artefact.version} is not on this machine",
            where=", ".join(str(place) for place in places),
            cure="run with a network, or install from a bundle: tools/install --from BUNDLE",
        )
    )


def _release(artefact: Artefact, release: Release, part: Path, progress: Progress) -> str:
    """Take the official release, checked against the checksums that its publisher lists beside it."""
    url = release.address(artefact.version)
    checksums = release.checksums_address(artefact.version)
    name = url.rsplit("/", 1)[1]
    try:
        listing = fetch.text(checksums)
    except fetch.Unreachable as problem:
        progress.say(f"{artefact.name} {artefact.version}: {problem.problems[0].what}, so it is built here")
        raise
    sha256 = fetch.listed_checksum(listing, name, checksums)
    with progress.step(f"download {artefact.name} {artefact.version}"):
        archive = fetch.download(url, cache("tools", "downloads") / name, sha256)
    unpack(archive, release.keep, part)
    archive.unlink()
    return f"release {url} SHA-256 {sha256}"


def unpack(archive: Path, keep: tuple[str, ...], target: Path) -> None:
    """Take the plain files named in `keep` out of a .tar.gz, whatever folder they lie in, into `target`."""
    with tarfile.open(archive) as package:
        for member in package:
            name = Path(member.name).name
            source = package.extractfile(member) if member.isfile() and name in keep else None
            if source:
                with (target / name).open("wb") as sink:
                    shutil.copyfileobj(source, sink)
                (target / name).chmod(0o755)


def _build(artefact: Artefact, go: GoPin, part: Path, progress: Progress) -> str:
    """Build it from Go modules."""
    compiler = gobuild.find_go(go, progress)
    log = cache("tools", "logs") / f"{artefact.folder()}.log"
    log.unlink(missing_ok=True)
    gobuild.build(artefact, compiler, part / artefact.binary, log, progress)
    return f"built by {process.run([compiler, 'version'], env={'GOTOOLCHAIN': 'local'}).strip()}"
