"""Debian packages for a bundle: downloaded with all that they need, and made a flat repository that apt reads."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from foundation import digest, files, process
from lab import debian, trees
from lab.image import guest
from tools import host

BEFOREHAND = ("python3", "python3-venv", "git")  # of the host, before it can ask for packages by itself


@dataclass(frozen=True)
class Package:
    """A package file; name, version and architecture as its control file has them."""

    file: Path
    name: str
    version: str
    architecture: str


def wanted() -> dict[str, list[str]]:
    """Release -> packages: what the lab's trees are made of, and what the host lacks where nothing is installed."""
    found = {debian.SUITE: [*trees.packages(), *guest.packages()]}
    found.setdefault(host.release(), []).extend([*BEFOREHAND, *files.lines(host.PACKAGES_FILE)])
    return found


def repository(release: str, wanted: Sequence[str], folder: Path, log: Path) -> list[Package]:
    """Make `folder` a flat repository with the packages `wanted` of a Debian release, and with all that they need.

    release: code name, such as "trixie". Essential packages and apt are part of it: a tree can be made of nothing else.
    Raises CommandFailed with the end of `log`.
    """
    download(release, wanted, folder, log)
    return index(release, folder)


def download(release: str, wanted: Sequence[str], folder: Path, log: Path) -> None:
    """Fetch the packages into the new `folder`; apt checks them against the keyring of the distribution."""
    folder.mkdir(parents=True)
    ubuntus = release == host.release() and host.is_ubuntu()
    mirror = "" if ubuntus else os.environ.get(debian.MIRROR)
    command = [
        *debian.MMDEBSTRAP, "--variant=extract", "--format=null",
        *(["--components=main,universe"] if ubuntus else []),
        "--include=?essential", f"--include={','.join(['apt', *wanted])}",
        '--aptopt=APT::Install-Recommends "false"',
        '--aptopt=APT::Keep-Downloaded-Packages "true"',
        f'--extract-hook=mv "$1"/var/cache/apt/archives/*.deb {folder}',
        release, "-", *([mirror] if mirror else []),
    ]  # fmt: skip
    process.run(command, log=log, env={"TMPDIR": str(folder.parent)}, cure="run as root; check that the Debian mirror answers, then again")


def index(release: str, folder: Path) -> list[Package]:
    """Write what apt wants to know of the .deb files in `folder` into its files `Packages` and `Release`."""
    found = []
    entries = []
    for file in sorted(folder.glob("*.deb")):
        control = process.run(["dpkg-deb", "--field", file])
        fields = dict(line.split(": ", 1) for line in control.splitlines() if not line.startswith(" ") and ": " in line)
        found.append(Package(file, fields["Package"], fields["Version"], fields["Architecture"]))
        entries.append(f"{control}Filename: ./{file.name}\nSize: {file.stat().st_size}\nSHA256: {digest.of_file(file)}\n")
    listing = folder / "Packages"
    listing.write_text("\n".join(entries))
    checksum = f"SHA256:\n {digest.of_file(listing)} {listing.stat().st_size} {listing.name}\n"
    (folder / "Release").write_text(f"Codename: {release}\nSuite: {release}\nArchitectures: {' '.join(architectures(found))}\n{checksum}")
    return found


def architectures(packages: Iterable[Package]) -> list[str]:
    """Those that the packages are made for, without "all"."""
    return sorted({package.architecture for package in packages} - {"all"})
