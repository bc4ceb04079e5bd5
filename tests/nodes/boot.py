"""An image's first boot on the lab's User Mode Linux kernel, told by a config drive as OpenStack would make it; no network."""

from __future__ import annotations

import json
import os
from pathlib import Path

from foundation.process import run
from foundation.progress import Progress
from lab.compute import kernel as uml
from landing_zone.image.build import Image
from tests.nodes import kernel

DISK_GIB = 4
ANSWERS = "/root/answers"


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
    return run(["debugfs", "-R", f"cat {ANSWERS}", disk])


def _config_drive(drive: Path, key: str, script: str) -> None:
    """A small disk with the label that cloud-init looks for."""
    latest = drive.with_suffix(".files") / "openstack" / "latest"
    latest.mkdir(parents=True)
    about = {"uuid": "5c0c3f3e-0f5b-4f0e-8a54-9d5a2f0e7c11", "hostname": "golden", "name": "golden", "public_keys": {"admin": key}}
    (latest / "meta_data.json").write_text(json.dumps(about))
    (latest / "user_data").write_text(script)
    run(["mke2fs", "-q", "-t", "ext4", "-L", "config-2", "-d", drive.with_suffix(".files"), drive, "8M"])
