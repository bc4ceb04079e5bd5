"""Debian trees built from packages: mmdebstrap over one shared cache of .deb files.

The mirror is mmdebstrap's own default, or $LZ_DEBIAN_MIRROR (an air-gapped site's copy).
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from foundation import files, lock
from foundation.errors import LzError, Problem
from foundation.places import cache
from foundation.process import run

SUITE = "trixie"
MIRROR = "LZ_DEBIAN_MIRROR"  # variable with the address of a mirror
WAIT_SECONDS = 1200  # for the build of another run
# Documentation in other languages and manual pages are a fifth of the files and serve nobody in a lab machine.
LEAN = (
    "force-unsafe-io",
    "path-exclude=/usr/share/doc/*",
    "path-include=/usr/share/doc/*/copyright",
    "path-exclude=/usr/share/man/*",
    "path-exclude=/usr/share/locale/*",
    "path-exclude=/usr/share/info/*",
    "path-exclude=/usr/share/groff/*",
)

# The day that trixie came out, for the dates that packages write into files (the last change in /etc/shadow).
EPOCH = "1754697600"

# In front of a command that mounts things and starts others: however we end, its processes and mounts end with us.
ENDS_WITH_US = (
    "setpriv", "--pdeathsig", "KILL", "unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc",
)  # fmt: skip
# Debian's own keys beside those that apt trusts here: on Ubuntu that is none of them. Left to itself, mmdebstrap finds them where gpg is.
KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
MMDEBSTRAP = (*ENDS_WITH_US, "mmdebstrap", f"--keyring={KEYRING}", "--mode=root")


@contextlib.contextmanager
def archives(say: Callable[[str], object]) -> Iterator[Path]:
    """The folder of all packages that were downloaded, ours alone for the block; another's build is waited for, which `say` hears."""
    folder = cache("debs")
    with lock.exclusive(folder.with_name("debs.lock"), "a build from Debian packages", WAIT_SECONDS, say):
        (folder / "partial").mkdir(exist_ok=True)
        yield folder


def build_tree(
    target: Path,
    packages: Sequence[str],
    log: Path,
    say: Callable[[str], object],
    *,
    variant: str = "minbase",
    hooks: Sequence[str] = (),
) -> None:
    """Make `target`, a Debian tree with `packages` (recommended packages left out), unless another run does so while it is waited for.

    say: hears that another run is waited for. hooks: further mmdebstrap arguments, e.g. "--customize-hook=...".
    Raises CommandFailed with the end of `log`.
    """
    part = target.with_name(target.name + ".part")
    mirror = os.environ.get(MIRROR)
    with archives(say) as downloaded:
        if target.exists():
            return
        remove_tree(part)
        command = [
            *MMDEBSTRAP, f"--variant={variant}", f"--include={','.join(packages)}",
            '--aptopt=APT::Install-Recommends "false"',
            '--aptopt=Acquire::Languages "none"',
            '--aptopt=APT::Keep-Downloaded-Packages "true"',
            *(f"--dpkgopt={option}" for option in LEAN),
            # The cache is mounted, not copied.
            "--skip=download/empty", "--skip=essential/unlink", "--skip=cleanup/apt/cache",
            f'--setup-hook=mkdir -p "$1/var/cache/apt/archives" && mount --bind {downloaded} "$1/var/cache/apt/archives"',
            *hooks,
            '--customize-hook=umount "$1/var/cache/apt/archives"',
            SUITE, str(part), *([mirror] if mirror else []),
        ]  # fmt: skip
        run(
            command,
            log=log,
            env={"SOURCE_DATE_EPOCH": EPOCH},
            cure="look at the log; check that the Debian mirror answers, then run again: what was downloaded is kept",
        )
        (part / "etc/dpkg/dpkg.cfg.d").mkdir(parents=True, exist_ok=True)
        part.rename(target)


def remove_tree(path: Path) -> None:
    """As `files.remove_folder`. Refuses (LzError) when something is still mounted below it."""
    for each in (files.gone_of(path), path):
        _require_no_mounts(each)
    files.remove_folder(path)


def _require_no_mounts(path: Path) -> None:
    below = mounts_below(path)
    if below:
        raise LzError(
            Problem(
                f"{path} has mounts below it", where=", ".join(below), cure="run `lz lab down`, `umount` what is still there, then again"
            )
        )


def mounts_below(path: Path) -> list[str]:
    """Mount points at or below `path` in our own mount namespace, deepest first."""
    prefix = str(path.resolve())
    points = [line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines()]
    return sorted((p for p in points if p == prefix or p.startswith(prefix + "/")), key=len, reverse=True)
