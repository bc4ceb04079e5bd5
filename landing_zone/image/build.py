"""Make the golden image: base tree, the role, cleaned, one date, a disk; and beside it what it is made of."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from foundation import digest, files, lock, programs, scs
from foundation.errors import InputError, Problem, raise_all
from foundation.places import CHECKOUT, cache
from foundation.progress import Progress
from lab import debian
from landing_zone.image import base, contents, disk, loader, sbom, tree
from landing_zone.image.contents import EPOCH

HERE = Path(__file__).resolve().parent
PROFILES = CHECKOUT / "roles" / "node_baseline" / "vars" / "profiles"
USER = "debian"
MIN_DISK_GB = 5
MIN_RAM_MIB = 512
RECORD = "image.json"
TOOLS = {"mmdebstrap": "mmdebstrap", **disk.TOOLS}


@dataclass(frozen=True)
class Image:
    """One image in the cache, as its image.json has it.

    tree: content digest of its files. sha256: of the disk. bytes: size of the disk's file. epoch: date of its files, in
    seconds since 1970. built: day of the build, YYYY-MM-DD. properties: as Glance gets them.
    """

    name: str
    profile: str
    os_distro: str
    os_version: str
    built: str
    epoch: int
    tree: str
    sha256: str
    bytes: int
    packages: int
    min_disk: int
    min_ram: int
    properties: Mapping[str, str]
    folder: Path

    @property
    def disk(self) -> Path:
        """qcow2: boots by BIOS and by UEFI (see `disk`)."""
        return self.folder / "disk.qcow2"

    @property
    def kernel(self) -> Path:
        """For a machine that takes both from outside."""
        return self.folder / "vmlinuz"

    @property
    def initrd(self) -> Path:
        """Belongs to the kernel."""
        return self.folder / "initrd"


def name_of(profile: str) -> str:
    """What the image of a profile is called."""
    return f"debian-13-{profile}"


def home() -> Path:
    """The folder of all images, each below the digest of what it is made from."""
    return cache("golden")


def build(profile: str, progress: Progress, epoch: int | None = None, *, anew: bool = False) -> Image:
    """The image of a node profile, made if it is not cached.

    epoch: date of its files, seconds since 1970; None: $SOURCE_DATE_EPOCH, else that of its newest package. anew: also when
    it is cached. InputError when the machine or the profile is not fit; CommandFailed with the log's end.
    """
    _require(profile)
    start = base.ensure(progress)
    date = date_of(start) if epoch is None else epoch
    target = home() / _key(profile, start, date)
    with lock.exclusive(home() / "build.lock", "a build of the golden image", debian.WAIT_SECONDS, progress.say):
        if anew or not (target / RECORD).exists():
            _build(profile, start, date, target, progress)
    # What was asked for last is what is published, and that may well be one that was made before another.
    (target / RECORD).touch()
    return read(target)


def read(folder: Path) -> Image:
    """What a folder of the cache has."""
    return Image(**json.loads((folder / RECORD).read_text()), folder=folder)


def every() -> list[Image]:
    """What is built, what was asked for last first."""
    records = sorted(home().glob(f"*/{RECORD}"), key=lambda record: record.stat().st_mtime_ns, reverse=True)
    return [read(record.parent) for record in records]


def make_tree(profile: str, root: Path, epoch: int, log: Path, say: Callable[[str], object]) -> str:
    """Turn a copy of the base tree into that of an image; returns its content digest. say: hears that another run is waited for."""
    tree.harden(root, {"node_baseline_profile": profile, "node_baseline_ssh": {"certificates": True}}, epoch, log, say)
    loader.install(root, log)
    contents.clean(root, epoch)
    contents.clamp(root, epoch)
    return contents.content_digest(root)


def properties(profile: str, built: str, arguments: str, tree_digest: str) -> dict[str, str]:
    """Image properties: those of the Sovereign Cloud Stack standard scs-0102, how it is started, and what it holds."""
    return {
        **scs.image_properties(
            about=f"Debian 13 (trixie), hardened by node_baseline, profile {profile}",
            built=built,
            user=USER,
            command_line=f"{disk.root_argument(tree_digest)} rw console=ttyS0 {arguments}".strip(),
            replaced="monthly",
            purpose=scs.CUSTOM,
        ),
        "lz_profile": profile,
        "lz_tree_sha256": tree_digest,
    }


def kernel_arguments(defaults: str) -> str:
    """What the role gives the kernel, out of the text of /etc/default/grub."""
    found = dict(line.split("=", 1) for line in defaults.splitlines() if "=" in line and not line.startswith("#"))
    words = (shlex.split(found.get(key, "")) for key in ("GRUB_CMDLINE_LINUX", "GRUB_CMDLINE_LINUX_DEFAULT"))
    return " ".join(word for text in words for word in text)


def _require(profile: str) -> None:
    if os.geteuid() != 0:
        raise InputError(Problem("an image is made as root", why="its files have owners, and it is mounted", cure="run it as root"))
    known = sorted(file.stem for file in PROFILES.glob("*.yml"))
    if profile not in known:
        raise InputError(Problem(f"there is no node profile {profile!r}", where=str(PROFILES), cure=f"one of: {', '.join(known)}"))
    raise_all(programs.lacking("this machine lacks what an image is made with", programs.absent(TOOLS)))


def date_of(start: Path) -> int:
    """Date of the files of an image made from the tree `start`, seconds since 1970: $SOURCE_DATE_EPOCH, else that of its newest package."""
    given = os.environ.get(EPOCH)
    if given is None:
        return contents.packages_date(start)
    if not given.isdecimal():
        raise InputError(
            Problem(f"{EPOCH} is no number of seconds", why=f"it is {given!r}", cure=f"unset {EPOCH}, or give seconds since 1970")
        )
    return int(given)


def _key(profile: str, start: Path, epoch: int) -> str:
    """Digest of all that an image is made from, scenarios of its role aside; packages that the role adds come as the mirror has them."""
    made_from = [HERE, Path(scs.__file__), CHECKOUT / "playbooks", CHECKOUT / "roles"]
    return digest.of_trees(made_from, profile, start.name, str(epoch), without={"molecule"})


def _build(profile: str, start: Path, epoch: int, target: Path, progress: Progress) -> None:
    """Make everything beside `target`, then rename: a killed run leaves nothing that looks finished."""
    log = home() / f"{target.name[:16]}.log"
    log.unlink(missing_ok=True)
    part = target.with_suffix(".part")
    tree.clear(part)
    part.mkdir(parents=True)
    try:
        with tree.copy(start, part / "copy") as root:
            with progress.step("golden image: hardened"):
                tree_digest = make_tree(profile, root, epoch, log, progress.say)
            with progress.step("golden image: disk"):
                record = _furnish(profile, root, part, tree_digest, epoch, log)
        files.replace(part / RECORD, json.dumps(record, indent=1) + "\n", 0o644)
        tree.clear(target)
        part.rename(target)
    finally:
        tree.clear(part)


def _furnish(profile: str, root: Path, part: Path, tree_digest: str, epoch: int, log: Path) -> dict[str, object]:
    """Disk, kernel and bill of materials out of a tree that is ready; returns what image.json says."""
    installed = sbom.packages((root / "var/lib/dpkg/status").read_text())
    name = name_of(profile)
    built = time.strftime("%Y-%m-%d", time.gmtime())
    arguments = kernel_arguments((root / "etc/default/grub").read_text())
    for pattern, kind in (("vmlinuz-*", "vmlinuz"), ("initrd.img-*", "initrd")):
        shutil.copyfile(max((root / "boot").glob(pattern)), part / kind)
    made = part / "disk.qcow2"
    disk.write(root, made, tree_digest, epoch, log)
    sums = {file.name: digest.of_file(file) for file in (made, part / "vmlinuz", part / "initrd")}
    (part / "SHA256SUMS").write_text("".join(f"{value}  {file}\n" for file, value in sums.items()))
    (part / "sbom.cdx.json").write_text(sbom.bill(name, tree_digest, epoch, installed))
    image = Image(
        name=name,
        profile=profile,
        os_distro="debian",
        os_version="13",
        built=built,
        epoch=epoch,
        tree=tree_digest,
        sha256=sums[made.name],
        bytes=made.stat().st_size,
        packages=len(installed),
        min_disk=MIN_DISK_GB,
        min_ram=MIN_RAM_MIB,
        properties=properties(profile, built, arguments, tree_digest),
        folder=part,
    )
    return {key: value for key, value in asdict(image).items() if key != "folder"}
