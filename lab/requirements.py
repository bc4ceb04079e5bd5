"""Whether this machine can carry the lab: everything that is missing in one message, before anything is changed.

Run as a program it asks for what no package cures. Standard library only at that: it runs before anything is installed.
"""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import shutil
import sys
from collections.abc import Collection, Iterator, Mapping
from ipaddress import IPv4Network
from pathlib import Path
from typing import Any

from foundation import programs
from foundation.errors import Problem, exit_code, raise_all
from foundation.places import cache_root
from foundation.process import CommandFailed, run
from lab import debian, hostnet
from lab.settings import LAB_RANGE, REGIONS, Places, places

PROGRAMS = {
    "systemd-nspawn": "systemd-container", "mmdebstrap": "mmdebstrap", "nft": "nftables", "ip": "iproute2", "nsenter": "util-linux",
    "mount": "mount", "sysctl": "procps", "ssh": "openssh-client", "qemu-img": "qemu-utils", "mkfs.ext4": "e2fsprogs",
}  # fmt: skip
DISK_GIB = 20  # all that the tests make, caches too; README.md says the same
LEAST_DISK_GIB = 3  # free whatever is cached: services fail to write without it
_GIB = 1024**3
MACHINE_ID = 32  # characters of /etc/machine-id once it is set; before that it is empty or says "uninitialized"
MEMORY_ONE_GIB = 7
MEMORY_BOTH_GIB = 15  # a machine sold with 16 GiB shows a little less


def memory_gib(kind: str = "MemTotal") -> float:
    """A figure of /proc/meminfo, such as MemAvailable; 0 when the kernel does not give it."""
    for line in Path("/proc/meminfo").read_text().splitlines():
        if line.startswith(f"{kind}:"):
            return int(line.split()[1]) / 1024**2
    return 0.0


def default_regions() -> tuple[str, ...]:
    """Both regions where there is memory for both, else the first."""
    return ("north", "south") if memory_gib() >= MEMORY_BOTH_GIB else ("north",)


def missing(places: Places, wanted: Collection[str], stay: Collection[str] = ()) -> Iterator[Problem]:
    """Every reason why the lab cannot run here. wanted: regions to bring up. stay: those that stand and stay beside them."""
    from lab.compute import kernel  # noqa: PLC0415  only now: it shows progress, by a package that `unfit` comes before

    absent = programs.absent(PROGRAMS)
    if absent:
        yield Problem(f"programs are missing: {', '.join(absent)}", cure=f"apt-get install {' '.join(absent)}")
    if not kernel.find(cache_root() / "kernel"):
        yield from kernel.missing_tools()
    identity = Path("/etc/machine-id")
    if not identity.exists() or len(identity.read_text().strip()) != MACHINE_ID:
        cure = "systemd-machine-id-setup"
        yield Problem("this machine has no id", where="/etc/machine-id", why="systemd-nspawn starts no machine without it", cure=cure)
    yield from unfit(places, wanted, stay)


def unfit(places: Places, wanted: Collection[str], stay: Collection[str] = ()) -> Iterator[Problem]:
    """Those of the reasons that no Debian package cures."""
    absent = programs.absent(PROGRAMS)
    if os.geteuid() != 0:
        yield Problem("the lab needs root", why="it makes namespaces, mounts and machines", cure="run it with sudo")
    if not _has_overlay():
        yield Problem("the kernel has no overlay file system", where="/proc/filesystems", cure="load the module `overlay`")
    for kind in ("net", "mnt", "pid", "uts", "ipc", "cgroup"):
        if not Path(f"/proc/self/ns/{kind}").exists():
            yield Problem(f"the kernel has no {kind} namespaces", cure="use a kernel with all namespaces")
    if os.geteuid() == 0 and PROGRAMS["nsenter"] not in absent:
        yield from _confined()
    if not Path("/dev/net/tun").exists():
        yield Problem("/dev/net/tun is missing", why="Open vSwitch's user-space data path makes taps", cure="modprobe tun")
    if not any((root / "cgroup.procs").exists() for root in (Path("/sys/fs/cgroup"), Path("/sys/fs/cgroup/unified"))):
        yield Problem("no cgroup version 2 is mounted", where="/sys/fs/cgroup", cure="boot with systemd.unified_cgroup_hierarchy=1")
    if not places.marker.exists():
        yield from _disk(places.root)
    yield from _on_overlay(places.root, Path("/proc/self/mountinfo").read_text())
    yield from elsewhere(places)
    if PROGRAMS["ip"] not in absent:
        yield from astray()
    together = {*wanted, *stay}
    needed = MEMORY_BOTH_GIB if len(together) > 1 else MEMORY_ONE_GIB
    if memory_gib() < needed:
        what = f"{memory_gib():.1f} GiB of memory, {needed} are needed for {len(together)} region(s)"
        yield Problem(what, why=_beside(wanted, stay), cure=_with_less(wanted))


def _has_overlay() -> bool:
    """Whether the kernel knows overlays, or will as soon as one is mounted: Debian and Ubuntu have them as a module."""
    modules = Path(f"/lib/modules/{os.uname().release}/modules.dep")
    known = Path("/proc/filesystems").read_text().split()
    return "overlay" in known or (modules.exists() and "/overlay.ko" in modules.read_text())


def _confined() -> Iterator[Problem]:
    """Root of a container is often not allowed what the lab is made of; tried, since a list of what it may do says less."""
    try:
        run([*debian.ENDS_WITH_US, "true"])
    except CommandFailed as refused:
        cure = "use a machine of its own, or a container that may do all (privileged)"
        yield Problem("root may make no namespaces and mounts here", why=refused.problems[0].why, cure=cure)


def _on_overlay(root: Path, mounts: str) -> Iterator[Problem]:
    """The disk of most containers is an overlay, which carries no upper layer of another one. mounts: text of a mountinfo."""
    above = [words for words in (line.split() for line in reversed(mounts.splitlines())) if root.is_relative_to(words[4])]
    lowest = max(above, key=lambda words: len(words[4]), default=None)  # none where / is no mount: in a chroot
    if lowest and lowest[lowest.index("-") + 1] == "overlay":
        yield Problem(
            "the cache lies on an overlay, on which no machine's own one can stand",
            where=str(root),
            why=f"{lowest[4]} is an overlay, as in a container",
            cure="name a folder on another file system in $LZ_CACHE, such as a volume of the container",
        )


def _disk(root: Path) -> Iterator[Problem]:
    """What lies in the cache already need not be made any more."""
    free = shutil.disk_usage(_existing(root)).free / _GIB
    if free >= DISK_GIB:
        return
    held = taken(root.parent) / _GIB
    needed = max(DISK_GIB - held, LEAST_DISK_GIB)
    if free < needed:
        yield Problem(
            f"{free:.1f} GiB of disk are free, {needed:.1f} are needed",
            where=str(root),
            why=f"{DISK_GIB} in all, of which the cache has {held:.1f}",
            cure="free some, or name another folder in $LZ_CACHE",
        )


def taken(folder: Path) -> int:
    """Bytes of disk that a folder takes with all below it, a file with several names once; 0 when it is not there.

    What is mounted below it lies elsewhere and does not count.
    """
    sizes: dict[tuple[int, int], int] = {}
    for place, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if not os.path.ismount(f"{place}/{name}")]
        for name in files:
            with contextlib.suppress(OSError):  # it has gone
                status = os.lstat(f"{place}/{name}")
                sizes[status.st_dev, status.st_ino] = status.st_blocks * 512
    return sum(sizes.values())


def _beside(wanted: Collection[str], stay: Collection[str]) -> str:
    others = [name for name in stay if name not in wanted]
    return f"{', '.join(others)} stands and would stay" if others and wanted else ""


def _with_less(wanted: Collection[str]) -> str:
    """What to do where memory is short."""
    if memory_gib() < MEMORY_ONE_GIB:
        return "use a machine with more memory"
    if len(wanted) > 1:
        return "run one region: lz lab up --region north"
    return f"take what stands away first: lz lab down && lz lab up --region {next(iter(wanted), 'north')}"


def elsewhere(places: Places) -> Iterator[Problem]:
    """One problem for each lab that stands in another cache than ours: whoever makes or ends machines here would end its machines."""
    for root in other_labs(places, Path("/proc/self/mountinfo").read_text()):
        yield Problem(
            "another lab stands on this machine",
            where=str(root),
            why="its machines have the same names and addresses",
            cure=f"take it down first: LZ_CACHE={shlex.quote(str(root.parent))} lz lab down",
        )


def astray() -> Iterator[Problem]:
    """One problem when somebody else has routes into the lab's range."""
    routes = hostnet.ip("-json", "-4", "route", "show", "table", "all")
    found = [f"{route['dst']} dev {route.get('dev', '?')}" for route in json.loads(routes or "[]") if _is_strange(route)]
    if found:
        yield Problem(
            f"this machine has other routes into {LAB_RANGE}, which the lab takes for itself",
            where=", ".join(dict.fromkeys(found)),
            why="calls of the lab would go there, and the lab's own routes would take their place",
            cure="end the program that made them, such as a VPN or a proxy, or remove them with `ip route del`",
        )


def _is_strange(route: Mapping[str, Any]) -> bool:
    """Whether a route leads into the lab's range, and neither over a line of the lab nor to nowhere."""
    if route["dst"] == "default" or route.get("type") in ("unreachable", "broadcast"):
        return False
    lines = [region.host_link for region in REGIONS.values()]
    return IPv4Network(route["dst"]).subnet_of(LAB_RANGE) and route.get("dev") not in lines


def other_labs(places: Places, mounts: str) -> list[Path]:
    """Folders of labs that stand in another cache than ours, by the mounts of their machines (text of a mountinfo)."""
    points = [Path(line.split()[4]) for line in mounts.splitlines()]
    machines = {places.region(region).relative_to(places.root) / "root" for region in REGIONS.values()}
    roots = {point.parents[len(machine.parts) - 1] for point in points for machine in machines if point.match(str(machine))}
    return sorted(roots - {places.root})


def _existing(path: Path) -> Path:
    while not path.exists():
        path = path.parent
    return path


def main() -> int:
    """Command line: `python3 -m lab.requirements`, before `make` installs anything."""
    raise_all(unfit(places(), default_regions()))
    return 0


if __name__ == "__main__":
    sys.exit(exit_code(main))
