"""Read the copy-on-write files of User Mode Linux (format 3): what a guest has changed against its base image.

Layout, all numbers big-endian: magic, version, mtime, size (64 bit), sector size, alignment, format, name of the base
(4096 bytes); at the next multiple of the alignment a bitmap with one bit per sector; at the next multiple the data, each
sector at its own place. A file may come from a process that a guest has taken over, so nothing in it is trusted: only a
header that fits the known base is read, and the base's name in it is ignored.
"""

from __future__ import annotations

import os
import re
import stat
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

MAGIC = 0x4F4F4F4D
VERSION = 3
SECTOR = 512
ALIGNMENT = 4096
_HEADER = struct.Struct(">IIIQIII")
_HEADER_BYTES = _HEADER.size + 4096
_CHUNK = 4 << 20


class CowError(ValueError):
    """The file is not a copy-on-write file over the base that the instance has."""


@dataclass(frozen=True)
class Layout:
    """Where things are in a file over a base of `size` bytes; all values in bytes."""

    size: int

    @property
    def bitmap(self) -> int:
        return _aligned(_HEADER_BYTES)

    @property
    def bitmap_bytes(self) -> int:
        return -(-self.size // (8 * SECTOR))

    @property
    def data(self) -> int:
        return _aligned(self.bitmap + self.bitmap_bytes)


def flatten(base: Path, cow: Path, target: Path) -> None:
    """Write to `target`, which holds a copy of `base`, every sector that `cow` has changed.

    Raises CowError when `cow` is not a plain file over a base of that size.
    """
    layout = Layout(base.stat().st_size)
    source = open_plain(cow)
    try:
        _check(os.pread(source, _HEADER.size, 0), layout)
        bitmap = os.pread(source, layout.bitmap_bytes, layout.bitmap)
        if len(bitmap) != layout.bitmap_bytes:
            raise CowError(f"{cow}: the bitmap is cut off")
        with target.open("r+b") as stream:
            for first, count in runs(bitmap):
                start = first * SECTOR
                end = min(start + count * SECTOR, layout.size)
                _copy(source, layout.data, stream.fileno(), start, end)
    finally:
        os.close(source)


def runs(bitmap: bytes) -> Iterator[tuple[int, int]]:
    """(first sector, number of sectors) of every unbroken stretch of set bits; the lowest bit of a byte comes first."""
    start = end = -1
    for stretch in re.finditer(rb"\xff+|[^\x00\xff]", bitmap):
        first = stretch.start() * 8
        if stretch.group()[0] == 0xFF:
            pieces = [(first, first + 8 * len(stretch.group()))]
        else:
            byte = stretch.group()[0]
            pieces = [(first + bit, first + bit + 1) for bit in range(8) if byte >> bit & 1]
        for low, high in pieces:
            if low != end:
                if start >= 0:
                    yield start, end - start
                start = low
            end = high
    if start >= 0:
        yield start, end - start


def open_plain(path: Path) -> int:
    """Open for reading a file that a guest's process could have replaced. Raises CowError for links and special files."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as problem:
        raise CowError(f"{path}: {problem.strerror}") from problem
    state = os.fstat(handle)
    if not stat.S_ISREG(state.st_mode) or state.st_nlink != 1:
        os.close(handle)
        raise CowError(f"{path} is not a plain file of its own")
    return handle


def _check(header: bytes, layout: Layout) -> None:
    if len(header) != _HEADER.size:
        raise CowError("the header is cut off")
    magic, version, _, size, sector, alignment, kind = _HEADER.unpack(header)
    if (magic, version, size, sector, alignment, kind) != (MAGIC, VERSION, layout.size, SECTOR, ALIGNMENT, 0):
        raise CowError("the header does not fit the base image")


def _copy(source: int, offset: int, target: int, start: int, end: int) -> None:
    while start < end:
        chunk = os.pread(source, min(_CHUNK, end - start), offset + start)
        if not chunk:  # the file ends early: what is missing was never written, so it is zero
            chunk = bytes(min(_CHUNK, end - start))
        os.pwrite(target, chunk, start)
        start += len(chunk)


def _aligned(value: int) -> int:
    return -(-value // ALIGNMENT) * ALIGNMENT
