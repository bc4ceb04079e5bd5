"""`--compute qemu`: the same image, flavors, metadata, volumes and ports, by libvirt and QEMU's emulation."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from lab import cloud, lifecycle
from lab.settings import REGIONS, places
from tests.support.command import lz
from tests.support.playground import Playground

pytestmark = [pytest.mark.lab, pytest.mark.long, pytest.mark.timeout(1800)]


def test_an_instance_under_emulation_is_entered_and_takes_a_volume(tmp_path: Path) -> None:
    done = lz("lab", "up", "--region", "north", "--compute", "qemu")
    assert done.returncode == 0, done.stderr[-3000:]
    where = places()
    standing = lifecycle.standing(where)
    assert standing
    assert standing.compute == "qemu"
    admin = cloud.connect(REGIONS["north"], where)
    storage: Any = admin.block_storage
    volume = storage.wait_for_status(storage.create_volume(size=1, name="emulated"), "available", interval=1, wait=60)
    try:
        with Playground(admin, "emulated", tmp_path) as ground:
            box = ground.await_ssh(ground.await_active(ground.launch("box")), timeout=600)
            assert ground.ssh(box, "systemd-detect-virt").strip() == "qemu"
            assert box.server.id in ground.ssh(box, "sudo cat /run/cloud-init/instance-data.json")
            ground.attach(box, volume)
            device = f"/dev/disk/by-id/virtio-{volume.id[:20]}"
            ground.ssh(box, f"sudo mkfs.ext4 -q {device} && sudo mount {device} /mnt && echo kept | sudo tee /mnt/file && sudo umount /mnt")
    finally:
        storage.wait_for_status(volume, "available", interval=1, wait=60)
        storage.delete_volume(volume)
    assert lz("lab", "down").returncode == 0
