"""The boot loader, GRUB: its menu and modules in the tree, and what a disk begins with under BIOS and under UEFI.

All of it is made by the tree's own programs, so that the parts are of one version.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from foundation.process import run

BIOS = "i386-pc"
UEFI = "x86_64-efi"
# What GRUB reads the first partition with; the rest it loads from there.
MODULES = {BIOS: ("biosdisk", "part_gpt", "ext2"), UEFI: ("part_gpt", "ext2")}
# On the disk that GRUB itself was read from, whatever other disks a machine has.
HOME = "(,gpt1)/boot/grub"
# The tree stands on no disk yet. Without an identity of its file system the menu stays on the disk that it was read from.
PROBE = """#!/bin/sh
case "$*" in
*target=device*) echo LABEL=root ;;
*target=fs) echo ext2 ;;
*target=partmap*) echo gpt ;;
*target=abstraction*) ;;
*) exit 1 ;;
esac
"""


def install(root: Path, log: Path) -> None:
    """Put GRUB's modules and its menu into the tree; the menu is the one that an update of the kernel would write."""
    home = root / "boot/grub"
    home.mkdir(exist_ok=True)
    for platform in MODULES:
        shutil.copytree(
            root / "usr/lib/grub" / platform, home / platform, ignore=lambda _, names: [name for name in names if not _loaded(name)]
        )
    probe = root.parent / "grub-probe"
    probe.write_text(PROBE)
    probe.chmod(0o755)
    run(["mount", "--bind", probe, root / "usr/sbin/grub-probe"])
    try:
        run(["chroot", root, "grub-editenv", "/boot/grub/grubenv", "create"], log=log)
        run(["chroot", root, "grub-mkconfig", "-o", "/boot/grub/grub.cfg"], log=log)
    finally:
        run(["umount", root / "usr/sbin/grub-probe"])
    (home / "grub.cfg").chmod(0o600)


def core(root: Path, platform: str, log: Path) -> bytes:
    """GRUB itself as a firmware starts it: a program for UEFI; for BIOS, what the disk's first sector leads to."""
    made = Path("tmp/core")
    words = ["grub-mkimage", "--format", platform, "--prefix", HOME, "--output", f"/{made}", *MODULES[platform]]
    run(["chroot", root, *words], log=log)
    content = (root / made).read_bytes()
    (root / made).unlink()
    return content


def _loaded(name: str) -> bool:
    """Whether GRUB reads a file of that name when it runs."""
    return name.endswith((".mod", ".lst"))
