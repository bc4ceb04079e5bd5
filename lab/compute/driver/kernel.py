"""The command line of a guest's kernel, and what of it is plugged at run time."""

from __future__ import annotations

import re
from pathlib import Path

from .state import Instance, Nic, Volume

MAX_CPUS = 8
CONFIG_DRIVE_UNIT = 15
SERIAL_LENGTH = 20
_DEVICE = re.compile(r"/dev/vd[b-o]")
_MAC = re.compile(r"[0-9a-f]{2}(:[0-9a-f]{2}){5}", re.IGNORECASE)
_SAFE_PATH = re.compile(r"/[\w./-]+")
# Interfaces and devices that built-in drivers would make unasked, and that first-boot programs take for real ones.
_NOTHING_UNASKED = ("dummy.numdummies=0", "fb_tunnels=none", "max_loop=4")


def arguments(instance: Instance, *, disk: Path, cow: Path | None, config_drive: Path | None, run: Path) -> list[str]:
    """Kernel arguments, one word each.

    disk: raw root disk, or the base below `cow`. run: folder for the management socket (run/guest/mconsole).
    Raises ValueError for a value that the kernel's own syntax cannot carry.
    """
    words = [
        f"mem={instance.memory_mb}M", f"ncpus={min(instance.vcpus, MAX_CPUS)}", "seccomp=on",
        f"uml_dir={_path(run)}/", "umid=guest",
        "con=null", "ssl=null", "ssl0=null,fd:1", "console=ttyS0", "quiet", "rw", f"root=/dev/vda{instance.partition}",
        # cloud-init looks for this where a machine has no DMI tables.
        'product_name="OpenStack Nova"', *_NOTHING_UNASKED,
        root_disk(disk, cow, instance.root_volume or instance.uuid),
        *(volume_argument(volume) for volume in instance.volumes if volume.id != instance.root_volume),
        *(nic_argument(nic) for nic in instance.nics),
    ]  # fmt: skip
    if config_drive:
        words.append(f"ubd{CONFIG_DRIVE_UNIT}rd={_path(config_drive)},,config-2")
    return words


def root_disk(disk: Path, cow: Path | None, serial: str) -> str:
    """Disk 0. Without `cow` it is opened as plain data (flag d), so that a header which a guest wrote there means nothing."""
    if cow:
        return f"ubd0={_path(cow)},{_path(disk)},{serial[:SERIAL_LENGTH]}"
    return f"ubd0d={_path(disk)},,{serial[:SERIAL_LENGTH]}"


def volume_argument(volume: Volume) -> str:
    """A further disk, as plain data. The serial gives /dev/disk/by-id/virtio-SERIAL in the guest."""
    if not _DEVICE.fullmatch(volume.device):
        raise ValueError(f"no place for a volume at {volume.device}: /dev/vdb to /dev/vdo are free for them")
    return f"ubd{volume.unit}d={_path(Path(volume.path))},,{volume.id[:SERIAL_LENGTH]}"


def volume_name(volume: Volume) -> str:
    """Name under which the management console removes the disk."""
    return f"ubd{volume.unit}"


def nic_argument(nic: Nic) -> str:
    if not _MAC.fullmatch(nic.mac):
        raise ValueError(f"{nic.mac} is not a MAC address")
    return f"vec{nic.index}:transport=tap,ifname={nic.tap},mac={nic.mac},depth=64,gro=1,mtu={nic.mtu}"


def nic_name(nic: Nic) -> str:
    return f"vec{nic.index}"


def _path(path: Path) -> str:
    """A path without the characters that end a field (comma, colon, space)."""
    text = str(path)
    if not _SAFE_PATH.fullmatch(text):
        raise ValueError(f"the kernel's command line cannot carry the path {text!r}")
    return text
