"""How instances run: KVM where it works, User Mode Linux where it does not, QEMU's emulation on request."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping

from foundation.errors import InputError, Problem
from foundation.places import CHECKOUT

KINDS = ("kvm", "uml", "qemu")
WANTED = ("auto", *KINDS)
# docs/compute.md says more of each, in the same words.
CANNOT_SHOW: Mapping[str, tuple[str, ...]] = {
    "kvm": (),
    "uml": (
        "kernel modules", "live migration", "rescue", "graphical consoles", "console input", "encrypted volumes",
        "swap and ephemeral disks of a flavor", "more than 14 volumes", "disks on buses other than virtio", "resize to another host",
        "shrinking a disk", "time spent in programs", "XFS, NFS, FUSE, squashfs, IPVS and io_uring", "AppArmor from boot on",
        "a boundary between an instance's own users and its kernel",
    ),
    "qemu": ("native speed",),
}  # fmt: skip


def choose(wanted: str) -> str:
    """kvm, uml or qemu for `wanted` (one of WANTED). Raises InputError for another word, or for kvm that does not work."""
    if wanted not in WANTED:
        raise InputError(Problem(f"there is no compute kind {wanted!r}", cure=f"one of {', '.join(WANTED)}"))
    if wanted in ("uml", "qemu"):
        return wanted
    trouble = kvm_problem()
    if trouble is None:
        return "kvm"
    if wanted == "kvm":
        raise InputError(
            Problem(
                "KVM does not work on this machine", where="/dev/kvm", why=trouble,
                cure="switch on virtualization (nested, if this is a virtual machine), or let instances run by `--compute uml`",
            )
        )  # fmt: skip
    return "uml"


def kvm_problem(timeout: float = 10) -> str | None:
    """What keeps KVM from working, None when it works. Tried in a process of its own, which may hang or die."""
    try:
        done = subprocess.run(
            [sys.executable, "-m", "lab.compute.kvm"], cwd=CHECKOUT, capture_output=True, text=True, timeout=timeout, check=False
        )
    except subprocess.TimeoutExpired:
        return f"a virtual processor did not come back within {timeout:.0f} s"
    if done.returncode == 0:
        return None
    return done.stdout.strip() or f"the attempt ended with status {done.returncode}"


def cannot_show(kind: str) -> str:
    """What instances of this kind cannot prove, "" when nothing is left out; for `lz lab status`."""
    return ", ".join(CANNOT_SHOW[kind])
