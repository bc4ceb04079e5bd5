"""Build the guest image: one ext4 file system without partitions, and beside it the kernel and initrd for KVM and QEMU.

User Mode Linux brings its own kernel and takes the same disk.
"""

from __future__ import annotations

import json
import os
import shutil
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from foundation import digest, files, lock, programs, scs
from foundation.errors import raise_all
from foundation.places import cache
from foundation.process import run
from foundation.progress import Progress
from lab import debian

HERE = Path(__file__).resolve().parent
NAME = "debian-13"
USER = "debian"
SIZE_MB = 1024
BUSY = "a build of the guest image"
TOOLS = {"mmdebstrap": "mmdebstrap", "mkfs.ext4": "e2fsprogs", "qemu-img": "qemu-utils"}
# A fixed name space, so that the same input gives the same file system identity.
_SPACE = uuid.UUID("7b9d9b9e-52b0-5c53-9f0c-3f6a3f6f7d11")
_NEEDS_UPDATE_MARKS = ("etc/.updated", "var/.updated")


@dataclass(frozen=True)
class GuestImage:
    """disk: qcow2 file for Glance. kernel, initrd: for direct boot under KVM and QEMU. properties: as scs-0102 has them.

    digest: of all that the image is made from. min_disk in GB, min_ram in MiB.
    """

    name: str
    disk: Path
    kernel: Path
    initrd: Path
    digest: str
    min_disk: int
    min_ram: int
    properties: Mapping[str, str]


def build(progress: Progress) -> GuestImage:
    """Return the image, building it first if it is not cached (about a minute on two idle cores)."""
    whole = digest.of_trees([HERE, Path(debian.__file__), Path(scs.__file__)])
    home = cache("image") / whole
    if not (home / "image.json").exists():
        _require_tools()
        with lock.exclusive(_lock(), BUSY, debian.WAIT_SECONDS, progress.say):
            if not (home / "image.json").exists():
                _build(home, whole, progress)
    made = json.loads((home / "image.json").read_text())
    return GuestImage(NAME, home / "disk.qcow2", home / "vmlinuz", home / "initrd", whole, 5, 512, properties(made["built"]))


def forget() -> None:
    """Remove every image that was built, so that the next one is built from cached packages. Raises BusyError while one is."""
    with lock.exclusive(_lock(), BUSY):
        for folder in [path for path in cache("image").iterdir() if path.is_dir()]:
            debian.remove_tree(folder)


def _lock() -> Path:
    return cache("image") / "build.lock"


def properties(built: str) -> dict[str, str]:
    """Image properties of the Sovereign Cloud Stack standard scs-0102, and how KVM and QEMU start it. built: YYYY-MM-DD."""
    return scs.image_properties(
        about="Debian 13 (trixie) built by the lab from Debian's packages; see docs/compute.md",
        built=built,
        user=USER,
        command_line="root=/dev/vda rw console=ttyS0 quiet",
        replaced="critical_bug",
        purpose=scs.GENERIC,
    )


def packages() -> list[str]:
    """Names of the packages that are asked for."""
    return files.words(HERE / "packages.txt")


def units() -> list[tuple[str, str]]:
    """(verb, unit) for systemctl, in order."""
    return [(verb, unit) for verb, unit in (line.split() for line in files.lines(HERE / "units.txt"))]


def _require_tools() -> None:
    raise_all(programs.lacking("the host lacks what the guest image is built with", programs.absent(TOOLS)))


def _build(home: Path, whole: str, progress: Progress) -> None:
    """Make everything beside `home`, then rename: a killed run leaves nothing that looks finished."""
    log = cache("image") / f"{whole[:16]}.log"
    log.unlink(missing_ok=True)
    part = home.with_suffix(".part")
    tree = part / "tree"
    built = time.strftime("%Y-%m-%d", time.gmtime())
    debian.remove_tree(part)
    part.mkdir()
    try:
        with progress.step("guest image: Debian packages"):
            # The overlay goes in before the packages are configured: the initrd is then made once, with our settings.
            copy = f"""tar -C '{HERE}/overlay' --owner=root:0 --group=root:0 --mode=u=rwX,go=rX -c . | tar -C "$1" -x"""
            hook = f"--essential-hook={copy}"
            debian.build_tree(tree, packages(), log, progress.say, hooks=[hook, "--dpkgopt=force-confold"])
        with progress.step("guest image: file system"):
            prepare(tree, log)
            _take_kernel(tree, part)
            _pack(tree, part / "disk.qcow2", whole, log)
        debian.remove_tree(tree)
        (part / "image.json").write_text(json.dumps({"built": built}))
        debian.remove_tree(home)
        part.rename(home)
    finally:
        debian.remove_tree(part)


def prepare(tree: Path, log: Path) -> None:
    """Bring the tree into the state of an image: units chosen, no identity of its own, nothing left to update at boot."""
    for verb in ("enable", "disable", "mask"):
        run(["systemctl", f"--root={tree}", "--quiet", verb, *(unit for v, unit in units() if v == verb)], log=log)
    generators = tree / "etc/systemd/system-generators"
    generators.mkdir(parents=True, exist_ok=True)
    for generator in files.lines(HERE / "generators.txt"):
        (generators / generator).symlink_to("/dev/null")
    for key in (tree / "etc/ssh").glob("ssh_host_*"):
        key.unlink()
    for junk in ("var/log", "var/cache/apt", "var/lib/apt/lists"):
        for file in (tree / junk).rglob("*"):
            if file.is_file() and not file.is_symlink():
                file.unlink()
    (tree / "etc/machine-id").write_text("")
    (tree / "etc/hostname").unlink(missing_ok=True)
    # systemd would otherwise rebuild its caches at the first boot, because /usr is newer than these marks.
    for mark in _NEEDS_UPDATE_MARKS:
        (tree / mark).write_text("")


def _take_kernel(tree: Path, target: Path) -> None:
    """Kernel and initrd leave the disk: both are given to the machine from outside."""
    for pattern, name in (("vmlinuz-*", "vmlinuz"), ("initrd.img-*", "initrd")):
        newest = max((tree / "boot").glob(pattern))
        shutil.move(newest, target / name)
        (target / name).chmod(0o644)


def _pack(tree: Path, disk: Path, whole: str, log: Path) -> None:
    """Tree to ext4 to qcow2. Names and hash seed of the file system follow from the digest."""
    raw = disk.with_suffix(".raw")
    with raw.open("wb") as stream:
        os.truncate(stream.fileno(), SIZE_MB << 20)
    identity = str(uuid.uuid5(_SPACE, whole))
    options = f"hash_seed={identity},lazy_itable_init=1,lazy_journal_init=1"
    run(["mkfs.ext4", "-q", "-F", "-L", "root", "-U", identity, "-m", "1", "-E", options, "-d", tree, raw], log=log)
    run(["qemu-img", "convert", "-f", "raw", "-O", "qcow2", "-c", "-o", "compression_type=zstd", raw, disk], log=log)
    raw.unlink()
