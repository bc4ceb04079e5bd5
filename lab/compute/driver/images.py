"""Image files on this host: the cache of bases below the instances' copy-on-write disks, and snapshots."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from . import cow
from .state import IMAGE_USER, Instance
from .units import Runner, unprivileged

DISK = "guest/disk"
COW = "guest/disk.cow"
FORMATS = ("raw", "qcow2")
# qemu-img may start 64 threads when the disk is slow. Each reserves a stack of 8 MiB, most an arena of 64 MiB: 13 took 961 MiB.
ADDRESS_SPACE = 64 * (8 + 64) << 20
# An image may take its reader over. All that it starts ends with it, and it sees no other reader, who has the same user number.
# `timeout` also hears when nova-compute is stopped, for which the first process of a namespace is deaf by itself.
_ALONE = ("unshare", "--fork", "--pid", "--kill-child", "--mount-proc", "timeout", "--signal=KILL", "3600")
# Programs that read what a user has uploaded run as a user who owns nothing, with bounds for time and memory.
_AS_NOBODY = (*_ALONE, *unprivileged(IMAGE_USER), "prlimit", f"--as={ADDRESS_SPACE}")


def info_words(path: Path, kind: str) -> list[str]:
    """Words that describe an image as JSON; kind: its format, found out before by reading it and not by asking qemu."""
    return [*_AS_NOBODY, "--cpu=30", "qemu-img", "info", "--output=json", f"--format={kind}", str(path)]


def convert_words(source: Path, kind: str, target: Path, target_kind: str) -> list[str]:
    """Words that write `source` to `target` in another format."""
    return [*_AS_NOBODY, "--cpu=600", "qemu-img", "convert", "-t", "none", "-f", kind, "-O", target_kind, str(source), str(target)]


@dataclass(frozen=True)
class Workplace:
    """source: what the reader of images shall read; only root writes in its folder. result: to be written by him, in his own folder."""

    source: Path
    result: Path

    def hand_over(self) -> None:
        """Let him read `source`. Raises CowError for what is not a plain file: a copy of a guest's disk may be a link."""
        handle = cow.open_plain(self.source)
        try:
            os.fchown(handle, 0, IMAGE_USER)
            os.fchmod(handle, 0o440)
        finally:
            os.close(handle)

    def take_back(self) -> Path:
        """Where `result` is from now on: root's, and out of his reach. Raises CowError for what is not a plain file."""
        taken = self.source.with_name("taken")
        self.result.rename(taken)
        os.close(cow.open_plain(taken))
        os.chown(taken, 0, 0)
        return taken


@contextlib.contextmanager
def workplace(root: Path) -> Iterator[Workplace]:
    """A fresh folder below `root` for one image, of which nothing is left: root would follow a link that the image before has left."""
    folder = Path(tempfile.mkdtemp(dir=root))
    try:
        his = folder / "reader"
        his.mkdir(mode=0o700)
        os.chown(his, IMAGE_USER, IMAGE_USER)
        let_pass(folder)
        yield Workplace(folder / "source", his / "result")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def let_pass(folder: Path) -> None:
    """The reader of images may go through root's `folder`, but neither look around in it nor write there."""
    os.chown(folder, 0, IMAGE_USER)
    folder.chmod(0o710)


def refusal(info: Mapping[str, Any], limit: int) -> str | None:
    """Why the image of which `info` (qemu-img's JSON) tells must not be used; None when nothing is against it.

    limit: bytes that its content may have, 0 for any number.
    """
    inner = (info.get("format-specific") or {}).get("data") or {}
    if info.get("format") not in FORMATS:
        return f"format {info.get('format')} is not supported, only {' and '.join(FORMATS)}"
    if info.get("backing-filename") or info.get("full-backing-filename"):
        return "it stands on another file"
    if inner.get("data-file"):
        return "its data is in another file"
    if info.get("encrypted"):
        return "it is encrypted"
    if limit and int(info["virtual-size"]) > limit:
        return f"its content has {info['virtual-size']} bytes, the disk only {limit}"
    return None


class TooBig(Exception):
    """The image is bigger than the disk that it shall fill; both in bytes."""

    def __init__(self, image: int, disk: int) -> None:
        super().__init__(f"the image has {image} bytes, the disk {disk}")
        self.image = image
        self.disk = disk


class BaseCache:
    """Raw files, one per image and disk size. A file is never changed: its time stamp is in the copy-on-write headers."""

    def __init__(self, root: Path, run: Runner) -> None:
        self.root = root
        self._run = run

    def raw(self, image_id: str) -> Path:
        return self.root / image_id

    def sized(self, image_id: str, size: int) -> Path:
        return self.root / f"{image_id}_{size >> 20}M"

    def ensure(self, image_id: str, size: int, fetch: Callable[[Path], None]) -> Path:
        """The base of `size` bytes (0: as big as the image) for the image.

        fetch: writes the checked raw image to a path. Raises TooBig; nothing half-made stays under a final name.
        """
        raw = self.raw(image_id)
        if raw.exists():
            os.utime(raw)  # when it was last of use: it is not pruned while it is copied
        else:
            self.root.mkdir(parents=True, exist_ok=True)
            fetch(raw)
        length = raw.stat().st_size
        if size and length > size:
            raise TooBig(length, size)
        sized = self.sized(image_id, size or length)
        if not sized.exists():
            part = sized.with_name(f"{sized.name}.part")
            self._run("cp", "--sparse=always", "--reflink=auto", raw, part)
            os.truncate(part, size or length)
            part.chmod(0o444)
            part.rename(sized)
        os.utime(raw)
        return sized

    def prune(self, used: Iterable[str], older_than: float) -> list[Path]:
        """Delete what no instance stands on and nobody has asked for in the last `older_than` seconds; returns it.

        used: paths of bases in use.
        """
        in_use = {Path(path) for path in used}
        images = {path.name.split("_")[0] for path in in_use}
        gone = []
        for file in sorted(self.root.glob("*")):
            image = file.name.split("_")[0]
            asked = self.raw(image) if self.raw(image).exists() else file
            if file in in_use or (file == self.raw(image) and image in images) or _age(asked) < older_than:
                continue
            gone.append(file)
        for file in gone:
            file.unlink(missing_ok=True)
        return gone


def flat_copy(instance: Instance, home: Path, target: Path, run: Runner, pause: Callable[[], object], go_on: Callable[[], object]) -> None:
    """Write the instance's local disk as it is at one moment to `target`, raw and sparse.

    pause, go_on: hold the instance while its own changes are copied; the rest is done while it runs.
    """
    plain, changes = home / DISK, home / COW
    source = plain if plain.exists() else changes
    held = target.with_name(f"{target.name}.held")
    try:
        try:
            pause()
            if source.exists():
                os.close(cow.open_plain(source))
                run("cp", "--sparse=always", "--reflink=auto", "--no-dereference", source, held)
        finally:
            go_on()
        if source is plain:
            held.rename(target)
            return
        if instance.base is None:
            raise cow.CowError("the instance has no local disk")
        run("cp", "--sparse=always", "--reflink=auto", instance.base, target)
        target.chmod(0o600)
        if held.exists():
            cow.flatten(Path(instance.base), held, target)
    finally:
        held.unlink(missing_ok=True)


def bound_console(log: Path, limit: int = 1 << 20, keep: int = 256 << 10) -> None:
    """Cut a console log over `limit` bytes down to its last `keep`; the instance goes on writing at its end."""
    try:
        size = log.stat().st_size
    except FileNotFoundError:
        return
    if size <= limit:
        return
    with log.open("r+b") as stream:
        stream.seek(-keep, os.SEEK_END)
        tail = stream.read(keep)
        stream.truncate(0)
        stream.seek(0)
        stream.write(tail)


def tail(log: Path, length: int) -> bytes:
    """The last `length` bytes, b"" when there is no log."""
    try:
        with log.open("rb") as stream:
            stream.seek(0, os.SEEK_END)
            stream.seek(max(0, stream.tell() - length))
            return stream.read(length)
    except FileNotFoundError:
        return b""


def _age(file: Path) -> float:
    return time.time() - file.stat().st_mtime
