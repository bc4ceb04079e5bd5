"""What the lab can leave on a host, counted, so that before and after can be compared."""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

from foundation.places import cache_root

FILES = (
    "/run/netns", "/run/systemd/nspawn", "/run/systemd/nspawn/propagate", "/run/systemd/nspawn/unix-export",
    "/run/ovn", "/run/openvswitch", "/run/lock", "/etc", "/etc/netns",
    "/root", "/var/lib/machines", "/var/tmp",  # noqa: S108
)  # fmt: skip


@dataclass(frozen=True)
class Census:
    """Everything that counts, as sorted lines per kind. processes: those with a part of the lab in their command or root."""

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
        firewall=_lines("nft", "list", "ruleset"),
        loop_devices=_lines("losetup", "--list", "--noheadings"),
        cgroups=_cgroups(),
        sysctls=_lines("sysctl", "net.ipv4.ip_forward", "net.ipv6.conf.all.forwarding", "net.ipv4.conf.all.rp_filter"),
        files=_files(),
    )


def _lines(*command: str, fields: tuple[int, ...] = ()) -> tuple[str, ...]:
    text = subprocess.run(command, check=False, capture_output=True, text=True).stdout
    lines = [line for line in text.splitlines() if line.strip()]
    return tuple(sorted(" ".join(line.split()[n] for n in fields) if fields else line for line in lines))


def _processes() -> tuple[str, ...]:
    """Programs whose root or command line lies in the cache, or that run in a network namespace of the lab."""
    here = Path("/proc/self/ns/net").stat().st_ino
    cache = str(cache_root())
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            command = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
            root = str((entry / "root").readlink())
            elsewhere = (entry / "ns/net").stat().st_ino != here
        except OSError:
            continue
        if f"{cache}/lab" in command or root.startswith(cache) or elsewhere or "systemd-nspawn" in command:
            found.append(command)
    return tuple(sorted(found))


def _cgroups() -> tuple[str, ...]:
    """By os.walk, which lets groups come and go meanwhile."""
    folders = (Path(folder) for folder, _, _ in os.walk("/sys/fs/cgroup"))
    return tuple(sorted(str(folder) for folder in folders if folder.name.startswith(("lz-", "payload", "supervisor"))))


def _files() -> tuple[str, ...]:
    found = []
    for folder in map(Path, FILES):
        if folder.is_dir():
            found += [str(path) for path in folder.iterdir()]
    return tuple(sorted(found))
