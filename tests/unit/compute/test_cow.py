"""Copy-on-write files: what is read of them, and that nothing in them is trusted."""

from __future__ import annotations

import itertools
import os
import random
import struct
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lab.compute.driver import cow

SECTOR = 512


def make_cow(path: Path, length: int, changed: dict[int, bytes], **header: int) -> None:
    """Write a file as the kernel does: header, bitmap, data; changed: sector -> its 512 bytes."""
    values = {"magic": cow.MAGIC, "version": 3, "mtime": 1, "size": length, "sector": SECTOR, "alignment": 4096, "kind": 0, **header}
    layout = cow.Layout(length)
    bitmap = bytearray(layout.bitmap_bytes)
    with path.open("wb") as stream:
        stream.write(struct.pack(">IIIQIII", *values.values()) + b"/somewhere/else\0")
        for sector, data in changed.items():
            bitmap[sector // 8] |= 1 << sector % 8
            stream.seek(layout.data + sector * SECTOR)
            stream.write(data)
        stream.seek(layout.bitmap)
        stream.write(bitmap)


def flat(tmp_path: Path, base: bytes, changed: dict[int, bytes]) -> bytes:
    (tmp_path / "base").write_bytes(base)
    (tmp_path / "out").write_bytes(base)
    make_cow(tmp_path / "cow", len(base), changed)
    cow.flatten(tmp_path / "base", tmp_path / "cow", tmp_path / "out")
    return (tmp_path / "out").read_bytes()


def test_changed_sectors_win_and_the_others_stay(tmp_path: Path) -> None:
    base = os.urandom(100 * SECTOR)
    changed = {n: os.urandom(SECTOR) for n in (0, 7, 8, 9, 15, *range(24, 40), 99)}
    expected = b"".join(changed.get(n, base[n * SECTOR : (n + 1) * SECTOR]) for n in range(100))
    assert flat(tmp_path, base, changed) == expected


def test_a_base_that_ends_within_a_sector_keeps_its_length(tmp_path: Path) -> None:
    base = os.urandom(3 * SECTOR + 100)
    assert len(flat(tmp_path, base, {3: b"x" * SECTOR})) == len(base)


def test_zeroed_sectors_are_changes_too(tmp_path: Path) -> None:
    assert flat(tmp_path, b"a" * SECTOR, {0: bytes(SECTOR)}) == bytes(SECTOR)


@settings(max_examples=200)
@given(st.sets(st.integers(0, 300)))
def test_runs_are_the_set_bits_joined(bits: set[int]) -> None:
    bitmap = bytearray(40)
    for bit in bits:
        bitmap[bit // 8] |= 1 << bit % 8
    found = list(cow.runs(bytes(bitmap)))
    assert {n for first, count in found for n in range(first, first + count)} == bits
    for (first, count), (after, _) in itertools.pairwise(found):
        assert first + count < after


def test_long_runs_are_one() -> None:
    assert list(cow.runs(b"\xf0" + b"\xff" * 1000 + b"\x01")) == [(4, 4 + 8000 + 1)]


@pytest.mark.parametrize(
    "header",
    [{"magic": 0}, {"version": 2}, {"size": 1 << 60}, {"size": 512}, {"sector": 1}, {"alignment": 0}, {"alignment": 1 << 31}, {"kind": 1}],
)
def test_a_header_that_does_not_fit_is_refused(tmp_path: Path, header: dict[str, int]) -> None:
    (tmp_path / "base").write_bytes(bytes(8 * SECTOR))
    (tmp_path / "out").write_bytes(bytes(8 * SECTOR))
    make_cow(tmp_path / "cow", 8 * SECTOR, {1: b"x" * SECTOR}, **header)
    with pytest.raises(cow.CowError):
        cow.flatten(tmp_path / "base", tmp_path / "cow", tmp_path / "out")
    assert (tmp_path / "out").read_bytes() == bytes(8 * SECTOR)


@pytest.mark.parametrize("length", [0, 10, 36, 5000])
def test_a_file_that_is_cut_off_is_refused(tmp_path: Path, length: int) -> None:
    (tmp_path / "base").write_bytes(bytes(1 << 20))
    (tmp_path / "out").write_bytes(bytes(1 << 20))
    make_cow(tmp_path / "cow", 1 << 20, {1: b"x" * SECTOR})
    os.truncate(tmp_path / "cow", length)
    if length == 5000:  # header whole, bitmap missing
        os.truncate(tmp_path / "cow", cow.Layout(1 << 20).bitmap + 3)
    with pytest.raises(cow.CowError):
        cow.flatten(tmp_path / "base", tmp_path / "cow", tmp_path / "out")


def test_links_pipes_and_second_names_are_refused(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_bytes(random.randbytes(100))
    (tmp_path / "link").symlink_to(secret)
    os.link(secret, tmp_path / "hard")
    os.mkfifo(tmp_path / "pipe")
    for name in ("link", "hard", "pipe", "absent"):
        with pytest.raises(cow.CowError):
            cow.open_plain(tmp_path / name)
