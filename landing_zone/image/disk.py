"""The disk: a partition table, GRUB for BIOS and for UEFI, and the root file system last, so that it can grow.

Written without a loop device. Names, identities and dates follow from the tree.
"""

from __future__ import annotations

import os
import re
import struct
import uuid
from dataclasses import dataclass
from pathlib import Path

from foundation.errors import LzError, Problem
from foundation.process import run
from landing_zone.image import loader
from landing_zone.image.contents import EPOCH

SECTOR = 512
ROOT_MIB = 1536
FIRST_INODE = 2  # that of /; in a new file system those in use have the lowest numbers
# A fixed name space, so that the same tree gives the same identities.
_SPACE = uuid.UUID("d0c5f6f2-5b8f-5f0e-9d43-5f0f8a0c6b1b")
TOOLS = {"mkfs.ext4": "e2fsprogs", "qemu-img": "qemu-utils", "sfdisk": "fdisk", "mformat": "mtools"}
# Where GRUB's first sector keeps the place of the second, and where that keeps the place of the rest (GRUB's boot.h).
_NEXT_SECTOR = 0x5C
_REST = 0x1F4
_CODE = 440  # bytes; then comes the partition table for programs that do not know GPT


@dataclass(frozen=True)
class Partition:
    """number: as in /dev/vda1. kind: the type's GUID. start and size in MiB."""

    number: int
    name: str
    kind: str
    start: int
    size: int

    @property
    def sector(self) -> int:
        """Its first sector."""
        return (self.start << 20) // SECTOR


# Numbers as in Debian's own cloud images.
BIOS = Partition(14, "bios", "21686148-6449-6E6F-744E-656564454649", 1, 3)
ESP = Partition(15, "esp", "C12A7328-F81F-11D2-BA4B-00A0C93EC93B", 4, 60)
ROOT = Partition(1, "root", "4F68BCE3-E8CD-4DB1-96E7-FBCAF984B709", 64, ROOT_MIB)


def identity(tree_digest: str, what: str) -> uuid.UUID:
    """Of a part of the disk: its partition's, or another one that is named."""
    return uuid.uuid5(uuid.uuid5(_SPACE, tree_digest), what)


def root_argument(tree_digest: str) -> str:
    """How a kernel that is given from outside finds the root file system, with an initrd or without."""
    return f"root=PARTUUID={identity(tree_digest, ROOT.name)}"


def write(root: Path, target: Path, tree_digest: str, epoch: int, log: Path) -> None:
    """The tree `root` as the qcow2 file `target`. epoch: date of the file systems, seconds since 1970."""
    raw = target.with_suffix(".raw")
    with raw.open("wb") as stream:
        os.truncate(stream.fileno(), (ROOT.start + ROOT.size + 1) << 20)  # the table's copy is at the end
    run(["sfdisk", "--quiet", raw], stdin=table(tree_digest), log=log)
    write_root(root, raw, tree_digest, epoch, log)
    write_esp(raw, loader.core(root, loader.UEFI, log), tree_digest, epoch, log)
    write_bios(raw, (root / "usr/lib/grub" / loader.BIOS / "boot.img").read_bytes(), loader.core(root, loader.BIOS, log))
    run(["qemu-img", "convert", "-f", "raw", "-O", "qcow2", "-c", "-o", "compression_type=zstd", raw, target], log=log)
    raw.unlink()


def table(tree_digest: str) -> str:
    """The partition table in the words of sfdisk."""
    lines = ["label: gpt", f"label-id: {identity(tree_digest, 'disk')}", "unit: sectors"]
    for each in (ROOT, BIOS, ESP):
        facts = f"start={each.sector}, size={(each.size << 20) // SECTOR}, type={each.kind}, uuid={identity(tree_digest, each.name)}"
        lines.append(f"disk{each.number} : {facts}, name={each.name}")
    return "\n".join(lines) + "\n"


def write_esp(raw: Path, grub: bytes, tree_digest: str, epoch: int, log: Path) -> None:
    """A FAT file system with GRUB where every firmware looks for it that was told of no other place."""
    program = raw.with_suffix(".efi")
    program.write_bytes(grub)
    os.utime(program, (epoch, epoch))
    place = ("-i", f"{raw}@@{ESP.start << 20}")
    serial = identity(tree_digest, "ESP file system").hex[:8]
    size = ("-T", str((ESP.size << 20) // SECTOR), "-H", str(ESP.sector))
    dated = {EPOCH: str(epoch), "TZ": "UTC"}
    run(["mformat", *place, "-F", "-c", "1", *size, "-N", serial, "-v", "ESP", "::"], env=dated, log=log)
    run(["mmd", *place, "::/EFI", "::/EFI/BOOT"], env=dated, log=log)
    run(["mcopy", "-m", *place, program, "::/EFI/BOOT/BOOTX64.EFI"], env=dated, log=log)
    program.unlink()


def write_bios(raw: Path, first: bytes, core: bytes) -> None:
    """The code of the first sector, which reads the first one of the partition, which reads the rest."""
    if len(core) > BIOS.size << 20:
        raise LzError(Problem("GRUB does not fit before the file systems", why=f"{len(core)} bytes, there is room for {BIOS.size} MiB"))
    code, rest = bytearray(first[:_CODE]), bytearray(core)
    struct.pack_into("<Q", code, _NEXT_SECTOR, BIOS.sector)
    struct.pack_into("<Q", rest, _REST, BIOS.sector + 1)
    with raw.open("r+b") as stream:
        stream.write(code)
        stream.seek(BIOS.start << 20)
        stream.write(rest)


def write_root(root: Path, raw: Path, tree_digest: str, epoch: int, log: Path) -> None:
    """The root file system with the tree in it. Nothing there is younger than `epoch`, seconds since 1970."""
    own = identity(tree_digest, "file system")
    options = f"offset={ROOT.start << 20},hash_seed={own},lazy_itable_init=1,lazy_journal_init=1"
    words: list[str | Path] = ["mkfs.ext4", "-q", "-F", "-L", "root", "-U", str(own), "-m", "1", "-E", options, "-d", root]
    dated = {EPOCH: str(epoch), "E2FSPROGS_FAKE_TIME": str(epoch)}
    run([*words, raw, f"{ROOT.size}M"], env=dated, log=log)
    # mkfs takes over when a file was last read here, and when it was put into the tree.
    system = f"{raw}?offset={ROOT.start << 20}"
    counts = dict(re.findall(r"^(Inode count|Free inodes): +(\d+)$", run(["debugfs", "-R", "show_super_stats -h", system]), re.MULTILINE))
    used = range(FIRST_INODE, int(counts["Inode count"]) - int(counts["Free inodes"]) + 1)
    fields = "".join(f"set_inode_field <{each}> {field} @{epoch}\n" for each in used for field in ("atime", "ctime"))
    run(["debugfs", "-w", "-f", "-", system], stdin=fields, env=dated)
