"""How instances run: KVM where it works, User Mode Linux where it does not, QEMU's emulation on request."""

from __future__ import annotations

import subprocess
import sys

from foundation.errors import InputError, Problem
from foundation.places import CHECKOUT

KINDS = ("kvm", "uml", "qemu")
WANTED = ("auto", *KINDS)
_CANNOT_SHOW = {
    "kvm": "",
    "uml": (
        "kernel modules (the kernel has none, so that checks of them cannot be evaluated), live migration, graphical consoles, encrypted "
        "volumes, several disks on buses other than virtio, and a boundary between a guest's own users and its kernel"
    ),
    "qemu": "native speed: every instruction is emulated",
}


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
    return _CANNOT_SHOW[kind]
