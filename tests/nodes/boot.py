"""An image's first boot, told by a config drive as OpenStack would make it; no network.

On the lab's User Mode Linux kernel, which is given from outside; or by the image's own boot loader on an emulated machine.
"""

from __future__ import annotations

import json
import os
import re
import shutil
from pathlib import Path
from typing import Literal

from foundation.errors import LzError, Problem
from foundation.places import cache
from foundation.process import run
from foundation.progress import Progress
from lab.compute import kernel as uml
from landing_zone.image import base, tree
from landing_zone.image.build import Image
from landing_zone.image.disk import ROOT
from tests.nodes import kernel, trees

DISK_GIB = 4
ANSWERS = "/root/answers"
FIRMWARE = "/usr/share/OVMF/OVMF_{}_4M.fd"
EMULATED_MIB = 1024
EMULATED_PATIENCE = 1200  # seconds; beside other work it took 350
Way = Literal["BIOS", "UEFI", "kernel"]


def first_boot(image: Image, home: Path, key: str, questions: str) -> str:
    """Boot the image and return what the questions, a shell script that root runs once all is up, wrote to standard output.

    home: where its disks are kept. key: public key that Nova would hand in. Raises LzError when the kernel does not end in time.
    """
    disk, drive = home / "disk", home / "drive"
    run(["qemu-img", "convert", "-f", "qcow2", "-O", "raw", image.disk, disk])
    os.truncate(disk, DISK_GIB << 30)
    _config_drive(drive, key, f"#!/bin/sh\n(\n{questions}\n) > {ANSWERS} 2>&1\nsystemctl --no-block poweroff\n")
    arguments = image.properties["os_command_line"].split()
    kernel.boot(uml.build(Progress()).path, disk, home / "console", (f"ubd1rd={drive},,config-2", *arguments))
    return run(["debugfs", "-R", f"cat {ANSWERS}", f"{disk}?offset={ROOT.start << 20}"])


def emulated_boot(image: Image, way: Way, questions: str) -> dict[str, str]:
    """Boot the image on an emulated machine and return the lines "answer NAME: WORDS" of its serial console.

    way: by its own loader, from one of two firmwares, or by its kernel and initrd from outside. questions: shell script that
    root runs once all is up. LzError when the machine has not powered off in time.
    """
    start, progress = base.ensure(Progress()), Progress()
    with tree.copy(start, cache("nodes", "run") / "emulated", above=trees.emulator(start, progress)) as root:
        machine = root / "srv"
        shutil.copyfile(image.disk, machine / "disk")
        run(["qemu-img", "resize", "-q", "-f", "qcow2", machine / "disk", f"{DISK_GIB}G"])
        _config_drive(
            machine / "drive", "ssh-ed25519 AAAA nobody", f"#!/bin/sh\n(\n{questions}\n) > /dev/ttyS0 2>&1\nsystemctl --no-block poweroff\n"
        )
        words = [
            "qemu-system-x86_64", "-machine", "q35,accel=tcg", "-cpu", "max", "-smp", "2", "-m", str(EMULATED_MIB), "-nic", "none",
            "-display", "none", "-monitor", "none", "-serial", "file:/srv/console", "-no-reboot",
            "-drive", "file=/srv/disk,if=virtio,format=qcow2", "-drive", "file=/srv/drive,if=virtio,format=raw,readonly=on",
        ]  # fmt: skip
        if way == "kernel":
            for part in (image.kernel, image.initrd):
                shutil.copyfile(part, machine / part.name)
            arguments = image.properties["os_command_line"]
            words += ["-kernel", f"/srv/{image.kernel.name}", "-initrd", f"/srv/{image.initrd.name}", "-append", arguments]
        if way == "UEFI":
            shutil.copyfile(root / FIRMWARE.format("VARS").lstrip("/"), machine / "variables")
            words += ["-drive", f"if=pflash,format=raw,readonly=on,file={FIRMWARE.format('CODE')}"]
            words += ["-drive", "if=pflash,format=raw,file=/srv/variables"]
        try:
            run(["chroot", root, *words], timeout=EMULATED_PATIENCE)
        except LzError:
            tail = "\n".join((machine / "console").read_text(errors="replace").splitlines()[-8:])
            raise LzError(Problem(f"the machine did not power off in {EMULATED_PATIENCE} s", why=tail)) from None
        return dict(re.findall(r"answer (\w+): (.*?)\r?$", (machine / "console").read_text(errors="replace"), re.MULTILINE))


def _config_drive(drive: Path, key: str, script: str) -> None:
    """A small disk with the label that cloud-init looks for."""
    latest = drive.with_suffix(".files") / "openstack" / "latest"
    latest.mkdir(parents=True)
    about = {"uuid": "5c0c3f3e-0f5b-4f0e-8a54-9d5a2f0e7c11", "hostname": "golden", "name": "golden", "public_keys": {"admin": key}}
    (latest / "meta_data.json").write_text(json.dumps(about))
    (latest / "user_data").write_text(script)
    run(["mke2fs", "-q", "-t", "ext4", "-L", "config-2", "-d", drive.with_suffix(".files"), drive, "8M"])
