"""Install from a bundle on a machine without a network. Standard library only: it runs before anything is installed.

usage: tools/install [--from BUNDLE [--sha256 HEX]]
"""

from __future__ import annotations

import argparse
import errno
import json
import platform
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zlib
from dataclasses import dataclass, fields
from pathlib import Path

from foundation import digest, repository
from foundation.errors import DISK_FULL, DISK_FULL_CURE, InputError, LzError, Problem, exit_code, raise_all
from foundation.lock import exclusive
from foundation.places import CHECKOUT, cache
from lab import debian
from tools import venv

FORMAT = 2
CONTENTS = "contents.json"
BILL = "bom.cdx.json"
WHEELS = "wheels"
PROGRAMS = "programs"
PACKAGES = "debian"
KERNEL = "kernel"
# What decides whether the Debian packages and the kernel of a bundle are those that this revision asks for.
LAB = ("lab/packages.txt", "lab/image/packages.txt", "lab/compute/kernel", "tools/host-packages.txt")
AFTER = """The Debian packages of this machine and of the lab, and the kernel of its instances, lie in the cache. Now, as root:
  export {variable}='{source}'
  {python} -m tools.host && make up
"""
_FRESH = "make a bundle for this machine from this very revision: .venv/bin/python -m tools bundle"


@dataclass(frozen=True)
class Contents:
    """First file of a bundle: for which machine and Python it is, for which requirements.txt, SHA-256 by file name.

    lab: digest of what its Debian packages and kernel are for; "" when it has none.
    """

    format: int
    machine: str
    python: str
    requirements: str
    lab: str
    files: dict[str, str]


def read_contents(folder: Path, bundle: Path) -> Contents:
    """The list of contents of an unpacked bundle. Raises InputError when it is not one."""
    try:
        raw = json.loads((folder / CONTENTS).read_text())
        return Contents(**{field.name: raw[field.name] for field in fields(Contents)})
    except (OSError, ValueError, KeyError, TypeError) as problem:
        raise InputError(Problem("this is not a bundle", where=str(bundle), why=repr(problem), cure=_FRESH)) from None


def lab_digest(checkout: Path) -> str:
    """Digest of what a checkout asks of Debian packages and of the instances' kernel."""
    return digest.of_trees(checkout / name for name in LAB)


def unfit(contents: Contents, checkout: Path, bundle: Path) -> list[Problem]:
    """Why a bundle does not fit this machine and checkout."""
    python = f"{sys.version_info.major}.{sys.version_info.minor}"
    pairs = [
        ("format", str(contents.format), str(FORMAT)),
        ("processor", contents.machine, platform.machine()),
        ("Python", contents.python, python),
        ("requirements.txt", contents.requirements, digest.of_file(checkout / "requirements.txt")),
        ("lab", contents.lab, lab_digest(checkout) if contents.lab else ""),
    ]
    return [
        Problem(f"the bundle is for another {what}", where=str(bundle), why=f"bundle: {theirs}; here: {ours}", cure=_FRESH)
        for what, theirs, ours in pairs
        if theirs != ours
    ]


def unpack(bundle: Path, target: Path, sha256: str | None = None) -> Contents:
    """Unpack `bundle` into the empty folder `target` and check every file. Raises InputError with all that is wrong with it."""
    cure = "copy the bundle again; compare its SHA-256 with the one printed when it was made"
    if not bundle.is_file():
        raise InputError(Problem("there is no such bundle", where=str(bundle), cure="check the path"))
    if sha256 and (found := digest.of_file(bundle)) != sha256.lower():
        raise InputError(Problem("wrong checksum: the bundle", where=str(bundle), why=f"wanted {sha256}\nfound  {found}", cure=cure))
    try:
        with tarfile.open(bundle) as archive:
            for member in archive:
                _extract(archive, member, target)
    except (tarfile.TarError, EOFError, OSError, zlib.error) as problem:
        if isinstance(problem, OSError) and problem.errno == errno.ENOSPC:
            raise LzError(Problem(DISK_FULL, where=str(target), cure=DISK_FULL_CURE)) from None
        raise InputError(Problem("the bundle cannot be unpacked", where=str(bundle), why=str(problem), cure=cure)) from None
    contents = read_contents(target, bundle)
    there = {str(file.relative_to(target)) for file in target.rglob("*") if file.is_file()} - {CONTENTS}
    problems = [
        Problem(f"a file too many in the bundle: {name}", where=str(bundle), cure=cure) for name in sorted(there - set(contents.files))
    ]
    for name, wanted in contents.files.items():
        if name not in there:
            problems.append(Problem(f"missing from the bundle: {name}", where=str(bundle), cure=cure))
        elif digest.of_file(target / name) != wanted:
            problems.append(Problem(f"wrong checksum: {name}", where=str(bundle), cure=cure))
    raise_all(problems)
    return contents


def _extract(archive: tarfile.TarFile, member: tarfile.TarInfo, target: Path) -> None:
    """Write one plain file; anything else, or a name that leads outside, makes the bundle unfit."""
    path = Path(member.name)
    source = archive.extractfile(member) if member.isfile() else None
    if source is None or path.is_absolute() or ".." in path.parts:
        raise tarfile.TarError(f"{member.name} is not a plain file inside the bundle")
    file = target / path
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("wb") as sink:
        shutil.copyfileobj(source, sink)
    file.chmod(0o755 if member.mode & 0o100 else 0o644)


def install(bundle: Path, checkout: Path, sha256: str | None = None) -> Contents:
    """Put what a bundle brings into the cache and make .venv from its wheels; nothing is taken from a network."""
    with tempfile.TemporaryDirectory(dir=cache("tools"), prefix="unpack-") as folder:
        stage = Path(folder)
        contents = unpack(bundle, stage, sha256)
        raise_all(unfit(contents, checkout, bundle))
        with exclusive(cache("tools") / "lock", "installing the engine"):
            for kind, home in ((PROGRAMS, cache("tools")), (KERNEL, cache("kernel"))):
                for made in sorted((stage / kind).glob("*")):
                    there = home / made.name
                    if not there.exists() or digest.of_trees([there]) != digest.of_trees([made]):  # it may be damaged
                        _replace(made, there)
            for packages in sorted((stage / PACKAGES).glob("*")):
                _replace(packages, repository.place(packages.name))
        venv.make(checkout, stage / WHEELS)
    return contents


def _replace(new: Path, place: Path) -> None:
    """Put a folder where an older one may be."""
    place.parent.mkdir(parents=True, exist_ok=True)
    shutil.rmtree(place, ignore_errors=True)
    new.rename(place)


def main(arguments: list[str]) -> int:
    """Command line of tools/install; without --from everything comes from the network."""
    parser = argparse.ArgumentParser(prog="tools/install", description="Install the Python packages and the Pulumi engine.")
    parser.add_argument("--from", dest="bundle", type=Path, help="take everything from this bundle, nothing from a network")
    parser.add_argument("--sha256", help="the bundle's SHA-256 as printed when it was made")
    chosen = parser.parse_args(arguments)
    if chosen.bundle:
        if install(chosen.bundle.resolve(), CHECKOUT, chosen.sha256).lab:
            source = repository.source(debian.SUITE)
            sys.stderr.write(AFTER.format(variable=debian.MIRROR, source=source, python=Path(sys.executable).name))
    else:
        venv.make(CHECKOUT)
    command: list[str | Path] = [CHECKOUT / ".venv/bin/python", "-m", "tools", "install", "--no-network" if chosen.bundle else "--network"]
    return subprocess.run(command, cwd=CHECKOUT, check=False).returncode


if __name__ == "__main__":
    sys.exit(exit_code(lambda: main(sys.argv[1:])))
