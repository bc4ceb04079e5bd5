"""What the lab can leave on a host, counted, so that before and after can be compared."""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from foundation import digest
from foundation.places import cache_root

ROOT = Path("/")
# Folders of which each entry counts by its name, below ROOT.
FILES = (
    "run", "run/netns", "run/systemd/nspawn", "run/systemd/nspawn/propagate", "run/systemd/nspawn/unix-export",
    "run/ovn", "run/openvswitch", "run/lock", "root", "var/lib", "var/lib/machines", "var/tmp", "tmp", "dev/shm",
)  # fmt: skip
SETTINGS = "etc"  # in which everything counts, also below, and what is in it
SMALL = 1 << 16  # bytes of a file that is read: more have only what is made of others, such as all certificates in one
# Everybody writes to /tmp at any time: there a name counts when it is one that the lab's programs give.
IN_TMP = (
    "*nspawn*", "mmdebstrap*", "apt*", "dpkg*", "clearsigned.message.*", "fileutl.message.*", "ca-certificates*", "qemu*", "vl.*",
    "ovs*", "ovn*", "openvswitch*", "uml*", "nova*", "openstack*", "landing-zone*",
)  # fmt: skip
# What comes and goes or changes without the lab, below ROOT. A star stands for "/", too.
NOT_OURS = (
    "dev/shm/pymp-*", "dev/shm/sem.mp-*", "dev/shm/psm_*", "dev/shm/PostgreSQL.*",  # of Python's multiprocessing; of databases of tests
    # systemd, for services that it starts by the clock or when somebody signs in; mount; whoever updates the machine by itself.
    "var/tmp/systemd-private-*", "run/user", "run/utmp", "run/sudo", "run/motd*", "run/agetty.reload", "run/credentials",
    "run/blkid", "run/mount", "run/unattended-upgrades*", "run/reboot-required*", "run/needrestart", "etc/ld.so.cache",
    "etc/*.dpkg-*", "etc/.pwd.lock",
    # Who leases the machine its address, and what keeps its clock.
    "etc/resolv.conf", "etc/.resolv.conf*", "etc/adjtime",
)  # fmt: skip


@dataclass(frozen=True)
class Census:
    """Everything that counts, as sorted lines per kind. processes: those with a part of the lab in their command or root.

    settings: what lies below /etc, each file with a part of its digest, or the link's target.
    """

    processes: tuple[str, ...]
    mounts: tuple[str, ...]
    namespaces: tuple[str, ...]
    links: tuple[str, ...]
    addresses: tuple[str, ...]
    routes: tuple[str, ...]
    firewall: tuple[str, ...]
    loop_devices: tuple[str, ...]
    cgroups: tuple[str, ...]
    sysctls: tuple[str, ...]
    files: tuple[str, ...]
    settings: tuple[str, ...]

    def differences(self, later: Census) -> list[str]:
        """Lines like "+ mounts: ..." for what came and "- ..." for what went."""
        found = []
        for kind in self.__dataclass_fields__:
            before, after = set(getattr(self, kind)), set(getattr(later, kind))
            found += [f"+ {kind}: {line}" for line in sorted(after - before)] + [f"- {kind}: {line}" for line in sorted(before - after)]
        return found


def take() -> Census:
    """Count now, on this host."""
    return Census(
        processes=_processes(),
        mounts=tuple(sorted(line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines())),
        namespaces=_lines("ip", "netns", "list"),
        links=_lines("ip", "-o", "link", "show", fields=(1,)),
        addresses=_lines("ip", "-o", "address", "show", fields=(1, 3)),
        routes=tuple(sorted({*_lines("ip", "route", "show", "table", "all"), *_lines("ip", "-6", "route", "show", "table", "all")})),
        firewall=_lines("nft", "--stateless", "list", "ruleset"),  # without counters
        loop_devices=_lines("losetup", "--list", "--noheadings"),
        cgroups=_cgroups(),
        sysctls=_lines("sysctl", "net.ipv4.ip_forward", "net.ipv6.conf.all.forwarding", "net.ipv4.conf.all.rp_filter"),
        files=_files(),
        settings=_settings(),
    )


def _lines(*command: str, fields: tuple[int, ...] = ()) -> tuple[str, ...]:
    text = subprocess.run(command, check=False, capture_output=True, text=True).stdout
    lines = [re.sub(r" expires \d+sec", "", line) for line in text.splitlines() if line.strip()]  # of a route that was advertised
    return tuple(sorted(" ".join(line.split()[n] for n in fields) if fields else line for line in lines))


def _processes() -> tuple[str, ...]:
    """Programs whose root or command line lies in the cache, or that run in a cgroup or a network namespace like the lab's.

    A network namespace without a name may be anybody's: systemd gives one to services of its own.
    """
    named = _named_spaces()
    cache = str(cache_root())
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            command = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
            root = str((entry / "root").readlink())
            inside = (entry / "ns/net").stat().st_ino in named or "/lz-" in (entry / "cgroup").read_text()
        except OSError:
            continue
        if f"{cache}/lab" in command or root.startswith(cache) or inside or "systemd-nspawn" in command:
            found.append(command)
    return tuple(sorted(found))


def _named_spaces() -> set[int]:
    """The network namespaces that have a name, but for our own."""
    found = set()
    for space in Path("/run/netns").glob("*"):
        with contextlib.suppress(OSError):  # it may go meanwhile
            found.add(space.stat().st_ino)
    return found - {Path("/proc/self/ns/net").stat().st_ino}


def _cgroups() -> tuple[str, ...]:
    """By os.walk, which lets groups come and go meanwhile."""
    folders = (Path(folder) for folder, _, _ in os.walk("/sys/fs/cgroup"))
    return tuple(sorted(str(folder) for folder in folders if folder.name.startswith(("lz-", "payload", "supervisor"))))


def _files() -> tuple[str, ...]:
    found: list[Path] = []
    for folder in (ROOT / name for name in FILES):
        if folder.is_dir():
            found += folder.iterdir()
    return tuple(sorted(str(path) for path in _ours(found)))


def _settings() -> tuple[str, ...]:
    below = (Path(folder, name) for folder, folders, files in os.walk(ROOT / SETTINGS) for name in (*folders, *files))
    return tuple(sorted(f"{path} {_content(path)}".rstrip() for path in _ours(below)))


def _ours(paths: Iterable[Path]) -> Iterator[Path]:
    """Those that nobody but the lab would make or change."""
    return (path for path in paths if _counts(str(path.relative_to(ROOT))))


def _counts(name: str) -> bool:
    folder, _, entry = name.rpartition("/")
    told = folder != "tmp" or any(fnmatchcase(entry, pattern) for pattern in IN_TMP)
    return told and not any(fnmatchcase(name, pattern) for pattern in NOT_OURS)


def _content(path: Path) -> str:
    """What tells a small file from another of its name; "" for what is none, or has gone since."""
    with contextlib.suppress(OSError):
        if path.is_symlink():
            return f"-> {path.readlink()}"
        if path.is_file() and path.stat().st_size <= SMALL:
            return digest.of_file(path)[:16]
    return ""
