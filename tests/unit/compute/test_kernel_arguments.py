"""The guest kernel's command line."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from lab.compute.driver import kernel
from lab.compute.driver.state import Instance, Nic, Volume

UUID = "6f70656e-7374-4163-8b20-6c616e64696e"
INSTANCE = Instance(UUID, "instance-1", 1_879_100_001, vcpus=2, memory_mb=1024, root_gb=5, base="/base/image_5120M")
VOLUME = Volume("0f0e0d0c-0b0a-0908-0706-050403020100", "/dev/vdc", "/volumes/v", "/srv", "volume-1", "raw")
RUN = Path("/run/uml") / UUID


def words(instance: Instance = INSTANCE, cow: Path | None = Path("/i/guest/disk.cow"), drive: Path | None = None) -> list[str]:
    return kernel.arguments(instance, disk=Path("/base/image_5120M"), cow=cow, config_drive=drive, run=RUN)


def test_size_and_console_follow_the_flavor() -> None:
    line = words()
    assert "mem=1024M" in line
    assert "ncpus=2" in line
    assert "ssl0=null,fd:1" in line
    assert "root=/dev/vda" in line
    assert f"uml_dir={RUN}/" in line


def test_more_processors_than_the_kernel_has_are_cut() -> None:
    assert "ncpus=8" in words(replace(INSTANCE, vcpus=16))


def test_local_disk_is_a_copy_on_write_file_over_its_base() -> None:
    assert f"ubd0=/i/guest/disk.cow,/base/image_5120M,{UUID[:20]}" in words()


@pytest.mark.parametrize("disk", ["/i/guest/disk", "/volumes/root"])
def test_a_disk_that_a_guest_writes_as_a_whole_is_plain_data(disk: str) -> None:
    assert kernel.root_disk(Path(disk), None, UUID).startswith("ubd0d=")


def test_volumes_are_plain_data_with_their_serial() -> None:
    assert kernel.volume_argument(VOLUME) == f"ubd2d=/volumes/v,,{VOLUME.id[:20]}"
    assert kernel.volume_name(VOLUME) == "ubd2"
    assert kernel.volume_argument(VOLUME) in words(INSTANCE.with_volume(VOLUME))


def test_the_root_volume_is_not_attached_twice() -> None:
    root = replace(VOLUME, device="/dev/vda")
    line = kernel.arguments(
        replace(INSTANCE.with_volume(root), root_volume=root.id), disk=Path(root.path), cow=None, config_drive=None, run=RUN
    )
    assert [word for word in line if word.startswith("ubd")] == [f"ubd0d=/volumes/v,,{root.id[:20]}"]


@pytest.mark.parametrize("device", ["/dev/vda", "/dev/vdp", "/dev/sdb", "/dev/vdbb", "vdb"])
def test_a_device_without_a_place_is_refused(device: str) -> None:
    with pytest.raises(ValueError, match="no place"):
        kernel.volume_argument(replace(VOLUME, device=device))


@pytest.mark.parametrize("path", ["/a,/etc/shadow", "/a:b", "/a b", "relative", "/a\nb"])
def test_a_path_cannot_smuggle_another_field(path: str) -> None:
    with pytest.raises(ValueError, match="cannot carry"):
        kernel.volume_argument(replace(VOLUME, path=path))
    with pytest.raises(ValueError, match="cannot carry"):
        words(cow=Path(path))


def test_ports_have_their_tap_mac_and_mtu() -> None:
    nic = Nic("12345678-9abc-def0-1234-56789abcdef0", 1, "fa:16:3e:00:00:01", 1442)
    assert kernel.nic_argument(nic) == "vec1:transport=tap,ifname=tap12345678-9a,mac=fa:16:3e:00:00:01,depth=64,gro=1,mtu=1442"
    with pytest.raises(ValueError, match="not a MAC"):
        kernel.nic_argument(replace(nic, mac="fa:16:3e:00:00:01,ifname=eth0"))


def test_the_config_drive_cannot_be_written() -> None:
    assert "ubd15rd=/i/disk.config,,config-2" in words(drive=Path("/i/disk.config"))
    assert not [word for word in words() if word.startswith("ubd15")]


def test_root_may_be_a_partition() -> None:
    assert "root=/dev/vda1" in words(replace(INSTANCE, partition="1"))
