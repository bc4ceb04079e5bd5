"""What test nodes stand on, cached by content: the pool of packages that roles install, and the scanner's own files.

Both are made in a throw-away copy of the node tree, which is the only one with a way to a Debian mirror.
"""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from foundation import digest, lock
from foundation.places import cache
from foundation.process import run
from foundation.progress import Progress
from lab.debian import remove_tree
from landing_zone.image import tree

POOL_FILE = Path(__file__).resolve().parent / "pool.txt"
# trixie's own content (0.1.76) knows neither Debian 13 nor CIS.
CONTENT = "ssg-debian=0.1.82-1"
CONTENT_SUITE = "forky"
CONTENT_FILE = "usr/share/xml/scap/ssg/content/ssg-debian13-ds.xml"
EMULATOR = ("qemu-system-x86", "ovmf")
ENCRYPTION = ("cryptsetup-bin", "systemd-cryptsetup")
QUIET = ("env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-q", "-y", "--no-install-recommends")


def pool(base: Path, progress: Progress) -> Path:
    """A folder that is a Debian repository: every package of pool.txt with all that it needs beyond the node tree."""
    lines = [line for line in POOL_FILE.read_text().splitlines() if not line.startswith("#")]

    def make(root: Path, log: Path) -> Path:
        (root / "srv/pool/partial").mkdir(parents=True)
        _inside(root, log, *QUIET, "install", "apt-utils")
        for line in lines:
            _inside(root, log, *QUIET, "-o", "Dir::Cache::archives=/srv/pool", "install", "--download-only", *line.split())
        _inside(root, log, "sh", "-c", "cd /srv/pool && rm -rf partial lock && apt-ftparchive packages . > Packages")
        return root / "srv/pool"

    return _once("pool", "packages that roles install", base, lines, progress, make)


def scanner(base: Path, progress: Progress) -> Path:
    """A layer for an overlay with OpenSCAP, what it needs and the rules for Debian 13: files alone, no package is installed."""

    def make(root: Path, log: Path) -> Path:
        _download(root, log, "openscap-scanner")
        for sources in (root / "etc/apt").rglob("*.list"):
            sources.write_text(sources.read_text().replace("trixie ", f"{CONTENT_SUITE} "))
        # One version is asked for by its number, so an old list of the suite is as good as a new one.
        _inside(root, log, *QUIET, "-o", "Acquire::Check-Valid-Until=false", "update")
        _inside(root, log, "sh", "-c", f"cd /srv/debs && apt-get -q download {CONTENT}")
        _unpack(root, log)
        _only(root / "srv/layer" / CONTENT_FILE)
        return root / "srv/layer"

    return _once("scanner", "OpenSCAP and its rules", base, [CONTENT], progress, make)


def emulator(base: Path, progress: Progress) -> Path:
    """A layer for an overlay with QEMU and the firmware of its machines, BIOS and UEFI."""
    return _layer("emulator", "QEMU and its firmware", EMULATOR, base, progress)


def encryption(base: Path, progress: Progress) -> Path:
    """A layer for an overlay with what opens an encrypted partition (LUKS)."""
    return _layer("encryption", "encryption of partitions", ENCRYPTION, base, progress)


def _layer(name: str, title: str, packages: Sequence[str], base: Path, progress: Progress) -> Path:
    """Packages with all that they need beyond the tree: files alone, no package is installed."""

    def make(root: Path, log: Path) -> Path:
        _download(root, log, *packages)
        _unpack(root, log)
        return root / "srv/layer"

    return _once(name, title, base, packages, progress, make)


def _once(name: str, title: str, base: Path, of: Sequence[str], progress: Progress, make: Callable[[Path, Path], Path]) -> Path:
    """What `make` leaves in a workshop, kept by the tree and by what it is made `of`."""
    target = cache("nodes", name) / digest.of_texts(f"{name} 1", base.name, *of)[:16]
    if not target.exists():
        with progress.step(f"{title} (once)"), _workshop(base) as (root, log):
            if not target.exists():  # another run may have made it while this one waited for the workshop
                _keep(make(root, log), target)
    return target


def _only(file: Path) -> None:
    """Every other rule set goes: together they are larger than a node."""
    for other in file.parent.iterdir():
        if other != file:
            other.unlink()
    file.stat()


def _download(root: Path, log: Path, *packages: str) -> None:
    """Packages with all that they need beyond the tree, into the tree's /srv/debs."""
    (root / "srv/debs/partial").mkdir(parents=True)
    _inside(root, log, *QUIET, "-o", "Dir::Cache::archives=/srv/debs", "install", "--download-only", *packages)


def _unpack(root: Path, log: Path) -> None:
    """The files of all packages in the tree's /srv/debs, into its /srv/layer."""
    _inside(root, log, "sh", "-c", "mkdir /srv/layer && for deb in /srv/debs/*.deb; do dpkg-deb -x $deb /srv/layer || exit 1; done")


def _keep(made: Path, target: Path) -> None:
    part = target.with_name(target.name + ".part")
    remove_tree(part)
    shutil.copytree(made, part, symlinks=True)
    part.rename(target)


def _inside(root: Path, log: Path, *command: str) -> None:
    run(["chroot", root, *command], log=log, cure="look at the log; check that the Debian mirror answers, then run again")


@contextlib.contextmanager
def _workshop(base: Path) -> Iterator[tuple[Path, Path]]:
    """A throw-away copy of the tree with its package lists fresh, and a log; one at a time."""
    home, log = cache("nodes", "workshop"), cache("nodes", "logs") / "workshop.log"
    alone = lock.exclusive(home.with_name("workshop.lock"), "the making of what test nodes stand on", wait=1200)
    with alone, tree.copy(base, home) as root:
        run(["mount", "-t", "proc", "proc", root / "proc"])
        for name in tree.FROM_HERE:
            (root / "etc" / name).unlink(missing_ok=True)
            shutil.copy(Path("/etc") / name, root / "etc" / name)
        _inside(root, log, *QUIET, "update")
        yield root, log
