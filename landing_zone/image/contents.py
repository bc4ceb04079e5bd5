"""What is in a tree of files: its content digest, the date of its packages, and what must not be in an image."""

from __future__ import annotations

import hashlib
import os
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path

DAY = 86_400
EPOCH = "SOURCE_DATE_EPOCH"  # variable with the date of what a program makes, seconds since 1970
CAPABILITIES = "security.capability"
# What a run of the machine leaves behind, and what an instance must have for itself alone. Folders stay, their content goes.
EMPTIED = (
    "var/log",
    "var/cache/apt",
    "var/cache/ldconfig",
    "var/cache/debconf",
    "var/lib/apt/lists",
    "var/tmp",
    "tmp",
    "run",
)
GONE = (
    "etc/apt/apt.conf.d/99mmdebstrap",  # how the tree was made is no setting of an instance
    "etc/.resolv.conf.systemd-resolved.bak",  # name resolution of the machine that made the tree
    "etc/audit/audit.rules.prev",
    "etc/hostname",
    "root/.ansible",
    "root/.bash_history",
    "usr/sbin/policy-rc.d",
    "var/lib/dbus/machine-id",
    "var/lib/systemd/random-seed",
    "var/lib/apt/periodic",
)
BACKUPS = ("etc/passwd-", "etc/group-", "etc/shadow-", "etc/gshadow-", "etc/subuid-", "etc/subgid-", "var/lib/dpkg/status-old")
# systemd would otherwise rebuild its caches at the first boot, because /usr is newer than these marks.
MARKS = ("etc/.updated", "var/.updated")


def clean(tree: Path, epoch: int) -> None:
    """Take away the identity of the machine and the traces of its making. epoch: the date of all in it, seconds since 1970."""
    for folder in EMPTIED:
        _empty(tree / folder)
    for name in (*GONE, *BACKUPS):
        _remove(tree / name)
    for key in (tree / "etc/ssh").glob("ssh_host_*"):
        key.unlink()
    (tree / "etc/machine-id").write_text("")
    shadow = tree / "etc/shadow"
    shadow.write_text(not_after(shadow.read_text(), epoch // DAY))
    for mark in MARKS:
        (tree / mark).write_text("")


def not_after(shadow: str, day: int) -> str:
    """The text of /etc/shadow without a password that was changed after `day` (since 1970): tools put in the day of the build."""
    lines = [line.split(":") for line in shadow.splitlines()]
    dated = ([*fields[:2], str(min(int(fields[2]), day)), *fields[3:]] if fields[2] else fields for fields in lines)
    return "".join(":".join(fields) + "\n" for fields in dated)


def packages_date(tree: Path) -> int:
    """When the newest package of the tree was made, in seconds since 1970: the date of all that has no other."""
    return int(max(file.stat().st_mtime for file in (tree / "var/lib/dpkg/info").glob("*.md5sums")))


def clamp(tree: Path, epoch: int) -> None:
    """Nothing in the tree is newer than `epoch` (seconds since 1970)."""
    for path in walk(tree):
        if path.lstat().st_mtime > epoch:
            os.utime(path, (epoch, epoch), follow_symlinks=False)


def content_digest(tree: Path) -> str:
    """Hex SHA-256 over names, kinds, modes, owners, capabilities and contents of all that is in the tree; times are left out."""
    total = hashlib.sha256()
    for path in walk(tree):
        entry = "\0".join((os.fsencode(path.relative_to(tree)).hex(), *_facts(path)))
        total.update(entry.encode() + b"\n")
    return total.hexdigest()


def walk(tree: Path) -> Iterator[Path]:
    """Everything in the tree in the order of names, the tree itself first; links are not followed."""
    yield tree
    for entry in sorted(os.scandir(tree), key=lambda each: os.fsencode(each.name)):
        if entry.is_dir(follow_symlinks=False):
            yield from walk(Path(entry.path))
        else:
            yield Path(entry.path)


def _facts(path: Path) -> tuple[str, ...]:
    about = path.lstat()
    facts = (f"{about.st_mode:o}", str(about.st_uid), str(about.st_gid))
    if stat.S_ISLNK(about.st_mode):
        return (*facts, str(path.readlink()))
    if stat.S_ISREG(about.st_mode):
        capability = os.getxattr(path, CAPABILITIES).hex() if CAPABILITIES in os.listxattr(path) else ""
        with path.open("rb") as stream:
            return (*facts, capability, hashlib.file_digest(stream, "sha256").hexdigest())
    return (*facts, str(about.st_rdev) if not stat.S_ISDIR(about.st_mode) else "")


def _empty(folder: Path) -> None:
    """Files go; folders stay, for their owners and modes."""
    if not folder.is_dir():
        return
    for path in sorted(folder.rglob("*"), key=lambda each: len(each.parts), reverse=True):
        if path.is_symlink() or not path.is_dir():
            path.unlink()


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
