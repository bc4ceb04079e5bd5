"""Put what a region's machine needs for its compute kind into the machine's tree: all before it starts, but for the kernel."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
NOVA = "usr/lib/python3/dist-packages/nova/virt/uml"
PROGRAMS = "usr/local/lib/uml"
UNITS = "etc/systemd/system"
LIBVIRT_UNITS = (
    "libvirtd.service", "libvirtd.socket", "libvirtd-ro.socket", "libvirtd-admin.socket", "virtlogd.service", "virtlogd.socket",
    "virtlogd-admin.socket", "virtlockd.service", "virtlockd.socket", "virtlockd-admin.socket",
)  # fmt: skip
_COMMON = """\
# First boot reads its metadata from a disk: no wait for the network, and user data that no other instance can ask for.
force_config_drive = true

[image_cache]
manager_interval = 600
remove_unused_original_minimum_age_seconds = 3600
"""
_UML_CONF = f"[DEFAULT]\ncompute_driver = uml.UMLDriver\n{_COMMON}"
_LIBVIRT_CONF = """\
[DEFAULT]
compute_driver = libvirt.LibvirtDriver
{common}
[libvirt]
virt_type = {kind}
cpu_mode = {cpu}
"""
# The driver starts units, makes devices and mounts; the instances themselves are nobody.
_UML_UNIT = """\
[Service]
User=root
Group=root
PrivateTmp=no
ProtectSystem=no
ProtectHome=no
LimitNOFILE=65536
"""
_QEMU_CONF = 'user = "root"\ngroup = "root"\nsecurity_driver = "none"\nnamespaces = []\ncgroup_controllers = []\nremember_owner = 0\n'


@dataclass(frozen=True)
class Placed:
    """A file for the machine: `source` to copy or `text` to write, at `target` below its root."""

    target: str
    source: Path | None = None
    text: str = ""
    mode: int = 0o644


def plan(kind: str) -> list[Placed]:
    """Every file for compute kind `kind`, without the kernel of User Mode Linux."""
    if kind == "uml":
        modules = [Placed(f"{NOVA}/{file.name}", file) for file in sorted((HERE / "driver").glob("*.py"))]
        programs = [Placed(f"{PROGRAMS}/{file.name}", file, mode=0o755) for file in sorted((HERE / "machine").iterdir())]
        return [
            *modules,
            *programs,
            Placed("etc/nova/nova-compute.conf", text=_UML_CONF),
            Placed(f"{UNITS}/nova-compute.service.d/uml.conf", text=_UML_UNIT),
        ]
    cpu = "host-passthrough" if kind == "kvm" else "none"
    return [
        Placed("etc/nova/nova-compute.conf", text=_LIBVIRT_CONF.format(common=_COMMON, kind=kind, cpu=cpu)),
        Placed("etc/libvirt/qemu.conf", text=_QEMU_CONF),
    ]


def install(root: Path, kind: str) -> None:
    """Write the plan into the tree at `root`, take away what another kind had put there, and choose libvirt's units."""
    shutil.rmtree(root / NOVA, ignore_errors=True)
    (root / UNITS / "nova-compute.service.d/uml.conf").unlink(missing_ok=True)
    for file in plan(kind):
        _place(root, file)
    for unit in LIBVIRT_UNITS:
        link = root / UNITS / unit
        link.unlink(missing_ok=True)
        if kind == "uml":
            link.symlink_to("/dev/null")


def install_kernel(root: Path, kernel: Path) -> None:
    """Write the kernel of User Mode Linux into the tree at `root`, also below a running machine: its first instance needs it."""
    _place(root, Placed(f"{PROGRAMS}/linux", kernel, mode=0o755))


def _place(root: Path, file: Placed) -> None:
    target = root / file.target
    target.parent.mkdir(parents=True, exist_ok=True)
    target.unlink(missing_ok=True)
    if file.source:
        shutil.copyfile(file.source, target)
    else:
        target.write_text(file.text)
    target.chmod(file.mode)
