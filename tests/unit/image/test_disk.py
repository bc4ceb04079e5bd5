"""The disk of the golden image: what its table says, and what the firmware of old finds at its beginning."""

from __future__ import annotations

import os
import re
import struct
from dataclasses import replace
from pathlib import Path

import pytest

from foundation.errors import LzError
from foundation.process import run
from landing_zone.image import disk

TREE = "ab" * 32
DATE = 1_700_000_000


def test_its_table_is_that_of_its_tree_and_the_root_can_grow() -> None:
    text = disk.table(TREE)
    assert text == disk.table(TREE)
    assert text != disk.table("cd" * 32)
    assert disk.root_argument(TREE).removeprefix("root=PARTUUID=") in text
    assert disk.BIOS.start + disk.BIOS.size == disk.ESP.start
    assert disk.ESP.start + disk.ESP.size == disk.ROOT.start


def test_the_first_sector_leads_to_the_partition_and_leaves_the_table_alone(tmp_path: Path) -> None:
    raw = tmp_path / "raw"
    raw.write_bytes(b"T" * (5 << 20))
    disk.write_bios(raw, b"1" * 512, b"c" * 3000)
    content = raw.read_bytes()
    assert struct.unpack_from("<Q", content, 0x5C) == (2048,)
    assert struct.unpack_from("<Q", content, (1 << 20) + 0x1F4) == (2049,)
    assert content[440:512] == b"T" * 72
    assert content[(1 << 20) + 2999 : (1 << 20) + 3001] == b"cT"


def test_a_loader_that_is_too_big_is_refused(tmp_path: Path) -> None:
    with pytest.raises(LzError, match="does not fit"):
        disk.write_bios(tmp_path / "raw", b"1" * 512, b"c" * (4 << 20))


def test_a_root_file_system_keeps_nothing_of_when_it_was_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(disk, "ROOT", replace(disk.ROOT, size=16))
    tree, made = tmp_path / "tree", []
    (tree / "etc").mkdir(parents=True)
    (tree / "etc/issue").write_text("Debian\n")
    os.utime(tree / "etc/issue", (DATE, DATE - 5))
    for name, read in (("a", DATE - 3), ("b", DATE + 1000)):
        os.utime(tree / "etc/issue", (read, DATE - 5))  # now is when its inode was changed
        for folder in (tree / "etc", tree):
            os.utime(folder, (read, DATE - 5))
        raw = tmp_path / name
        with raw.open("wb") as stream:
            os.truncate(stream.fileno(), (disk.ROOT.start + disk.ROOT.size) << 20)
        disk.write_root(tree, raw, TREE, DATE, tmp_path / "log")
        made.append(raw)
    assert run(["cmp", *made]) == ""
    system = f"{made[0]}?offset={disk.ROOT.start << 20}"
    times = dict(re.findall(r"^ *(\w+): 0x(\w+):", run(["debugfs", "-R", "stat /etc/issue", system]), re.MULTILINE))
    assert {field: int(value, 16) for field, value in times.items()} == {
        "ctime": DATE, "atime": DATE, "crtime": DATE, "mtime": DATE - 5,
    }  # fmt: skip
    assert run(["debugfs", "-R", "cat /etc/issue", system]) == "Debian\n"
    run(["e2fsck", "-fn", f"{made[0]}?offset={disk.ROOT.start << 20}"])
