"""Images that follow each other in Glance: an old one stays as long as something stands on it."""

from __future__ import annotations

import hashlib
import subprocess
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from openstack.connection import Connection

from landing_zone.image.build import Image
from landing_zone.image.publish import publish, sign
from tests.support.playground import FLAVOR, await_gone

pytestmark = [pytest.mark.lab, pytest.mark.long, pytest.mark.timeout(300)]


def built(folder: Path, name: str, mib: int) -> Image:
    """An image with nothing on its disk, which is that large."""
    folder.mkdir()
    disk = folder / "disk.qcow2"
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", disk, f"{mib}M"], check=True)
    return Image(
        name=name, profile="base", os_distro="debian", os_version="13", built="2026-01-01", epoch=1, tree="ab",
        sha256=hashlib.sha256(disk.read_bytes()).hexdigest(), bytes=disk.stat().st_size, packages=1, min_disk=1, min_ram=64,
        properties={"os_distro": "debian"}, folder=folder,
    )  # fmt: skip


def test_an_old_image_stays_until_neither_server_nor_volume_stands_on_it(admin: Connection, name: str, tmp_path: Path) -> None:
    compute: Any = admin.compute
    storage: Any = admin.block_storage
    images: Any = admin.image
    offers = [sign(built(tmp_path / str(mib), name, mib), Ed25519PrivateKey.generate()) for mib in (1, 2, 3)]
    try:
        first = publish("north", admin, offers[0])
        flavor = compute.find_flavor(FLAVOR, ignore_missing=False)
        server = compute.create_server(name=name, flavor_id=flavor.id, image_id=first.id, networks="none")
        second = publish("north", admin, offers[1])
        assert (second.removed, second.kept) == ((), (first.id,))
        volume = storage.wait_for_status(storage.create_volume(size=1, name=name, image_id=second.id), "available", interval=1, wait=60)
        third = publish("north", admin, offers[2])
        assert (third.removed, set(third.kept)) == ((), {first.id, second.id})

        compute.delete_server(server)
        await_gone(admin, server)
        again = publish("north", admin, offers[2])
        assert (again.uploaded, again.removed, again.kept) == (False, (first.id,), (second.id,))
        storage.delete_volume(volume)
        storage.wait_for_delete(volume, interval=1, wait=60)
        assert publish("north", admin, offers[2]).removed == (second.id,)
        assert [one.id for one in images.images(name=name)] == [third.id]
    finally:
        for one in compute.servers(name=name):
            compute.delete_server(one)
            compute.wait_for_delete(one, interval=1, wait=120)
        for one in storage.volumes(name=name):
            storage.delete_volume(one)
        for one in images.images(name=name):
            images.delete_image(one)
