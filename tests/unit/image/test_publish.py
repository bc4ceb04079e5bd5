"""Publishing: uploaded once, told what it is, and no forerunner goes that something stands on."""

from __future__ import annotations

import hashlib
from pathlib import Path
from types import SimpleNamespace as Record
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from openstack.exceptions import DuplicateResource

from foundation.errors import LzError
from landing_zone.cli import main
from landing_zone.engine.home import Home
from landing_zone.image import signature
from landing_zone.image.build import Image
from landing_zone.image.publish import MARK, Known, forerunners, publish, sign, verify
from landing_zone.ssh.certificates import load

KEY = Ed25519PrivateKey.generate()


class Glance:
    """Images of a region, in memory."""

    def __init__(self) -> None:
        self.entries: dict[str, Any] = {}
        self.uploads: list[str] = []

    def images(self, name: str) -> list[Any]:
        return [entry for entry in self.entries.values() if entry.name == name]

    def create_image(
        self, name: str, *, filename: str, wait: bool, visibility: str, allow_duplicates: bool = False, **attributes: Any
    ) -> Any:
        if not allow_duplicates and len(self.images(name)) > 1:  # the library looks for one of that name
            raise DuplicateResource(name)
        assert wait
        assert visibility == "public"
        assert Path(filename).is_file()
        total = hashlib.sha512(Path(filename).read_bytes()).hexdigest()
        made = Record(
            id=f"id-{len(self.uploads)}", name=name, status="active", properties=attributes, hash_algo="sha512", hash_value=total,
            owner_id="ours",
        )  # fmt: skip
        self.uploads.append(name)
        self.entries[made.id] = made
        return made

    def delete_image(self, image: str, ignore_missing: bool) -> None:
        del self.entries[image]


class Region:
    """What is asked of a region."""

    def __init__(self) -> None:
        self.image = Glance()
        self.current_project_id = "ours"
        self.running: list[str] = []
        self.volumes_of: list[str] = []
        self.compute = Record(servers=lambda all_projects: self._of(all_projects, "image", "id", self.running))
        self.block_storage = Record(
            volumes=lambda all_projects: self._of(all_projects, "volume_image_metadata", "image_id", self.volumes_of)
        )

    def _of(self, all_projects: bool, what: str, key: str, images: list[str]) -> list[Any]:
        """All are other projects'; one was made of no image."""
        return [Record(**{what: one}) for one in (*({key: each} for each in images), None)] if all_projects else []

    def offer(self, image: Image, *, direct: bool = True) -> Any:
        return publish("north", self, sign(image, KEY, direct=direct))  # type: ignore[arg-type]

    def judged(self, key: Ed25519PrivateKey) -> list[tuple[str, bool]]:
        return [(each.name, each.good) for each in verify("north", self, "debian-13-base", key.public_key())]  # type: ignore[arg-type]

    def ids(self, name: str) -> list[str]:
        return [entry.id for entry in self.image.images(name)]


def built(folder: Path, content: str) -> Image:
    folder.mkdir()
    for name in ("disk.qcow2", "vmlinuz", "initrd"):
        (folder / name).write_text(f"{name} {content}")
    sha256 = hashlib.sha256(f"disk.qcow2 {content}".encode()).hexdigest()
    return Image(
        name="debian-13-base", profile="base", os_distro="debian", os_version="13", built="2026-01-01", epoch=1, tree="ab", sha256=sha256,
        bytes=1, packages=1, min_disk=5, min_ram=512, properties={"os_distro": "debian"}, folder=folder,
    )  # fmt: skip


def test_it_is_uploaded_once_with_what_it_is(tmp_path: Path) -> None:
    region, image = Region(), built(tmp_path / "a", "1")
    first = region.offer(image)
    assert first.uploaded
    again = region.offer(image)
    assert (again.id, again.uploaded, again.removed, again.kept) == (first.id, False, (), ())
    assert sorted(region.image.uploads) == ["debian-13-base", "debian-13-base-kernel", "debian-13-base-ramdisk"]
    told = region.image.entries[first.id].properties
    assert (told[MARK], told["os_distro"], told["min_disk"], told["disk_format"]) == (image.sha256, "debian", 5, "qcow2")
    assert [told["kernel_id"]] == region.ids("debian-13-base-kernel")
    assert [told["ramdisk_id"]] == region.ids("debian-13-base-ramdisk")
    for part in (told["kernel_id"], told["ramdisk_id"]):  # public as well, so the standard asks the same of them
        theirs = region.image.entries[part].properties
        assert [theirs.get(key) for key in ("os_distro", "min_disk", "min_ram")] == ["debian", 5, 512]
        assert {"kernel_id", "ramdisk_id"} & set(theirs) == set()


def test_what_another_project_calls_by_our_name_is_neither_taken_for_ours_nor_removed(tmp_path: Path) -> None:
    region, image = Region(), built(tmp_path / "a", "1")
    first = region.offer(image, direct=False)
    region.image.entries[first.id].owner_id = "a tenant"
    second = region.offer(image, direct=False)
    assert (second.uploaded, second.removed) == (True, ())
    assert set(region.image.entries) == {first.id, second.id}


def test_its_own_boot_loader_is_used_unless_a_kernel_is_asked_for(tmp_path: Path) -> None:
    region, image = Region(), built(tmp_path / "a", "1")
    first = region.offer(image, direct=False)
    assert region.image.uploads == ["debian-13-base"]
    assert not {"kernel_id", "ramdisk_id"} & set(region.image.entries[first.id].properties)
    assert not region.offer(image, direct=False).uploaded
    second = region.offer(image, direct=True)
    assert (second.uploaded, second.removed) == (True, (first.id,))
    third = region.offer(image, direct=False)
    assert third.uploaded
    assert len(region.image.entries) == 1


def test_what_was_published_is_known_by_its_signature(tmp_path: Path) -> None:
    region, image = Region(), built(tmp_path / "a", "1")
    first = region.offer(image)
    names = ["debian-13-base", "debian-13-base-kernel", "debian-13-base-ramdisk"]
    assert region.judged(KEY) == [(name, True) for name in names]
    assert region.judged(Ed25519PrivateKey.generate()) == [(name, False) for name in names]
    entry = region.image.entries[first.id]
    kept, signed = entry.hash_value, entry.properties["lz_signature"]
    for change in ({"hash_value": "0" * 128}, {"hash_algo": "md5"}):
        vars(entry).update(change)
        assert region.judged(KEY)[0] == (names[0], False)
        vars(entry).update(hash_value=kept, hash_algo="sha512")
    for other in ("", "no base64", region.image.entries["id-0"].properties["lz_signature"]):
        entry.properties["lz_signature"] = other
        assert region.judged(KEY)[0] == (names[0], False)
    entry.properties["lz_signature"] = signed
    assert region.judged(KEY)[0] == (names[0], True)
    entry.name = names[1]
    assert (names[1], False) in region.judged(KEY)


def test_what_an_earlier_version_has_signed_holds() -> None:
    key = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
    signed = "p45pPMf9uVM0ulJm0dlb4MbBZAXRXxn1Tu802UTU04mrQZMnWcYRVehbVMwpgOzJ+3h1/7GucvIufdXTJ+pvDg=="
    assert signature.sign(key, "debian-13-base", "ab" * 64) == signed
    assert signature.holds(key.public_key(), "debian-13-base", "ab" * 64, signed)


def test_verify_ends_well_only_when_all_is_signed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LZ_CACHE", str(tmp_path / "cache"))
    region = Region()
    monkeypatch.setattr("landing_zone.cli.images.sign_in", lambda planned, regions: {"north": region})
    assert main(["image", "verify", "--env", "lab"]) == 1
    key = load(Home.of("lab").image_key)
    publish("north", region, sign(built(tmp_path / "a", "1"), key))  # type: ignore[arg-type]
    assert main(["image", "verify", "--env", "lab"]) == 0
    assert main(["image", "verify", "--env", "lab", "--profile", "bastion"]) == 1
    region.image.entries["id-0"].hash_value = "0" * 128
    assert main(["image", "verify", "--env", "lab"]) == 1


def test_an_image_that_starts_by_a_kernel_that_nobody_signed_is_not_good(tmp_path: Path) -> None:
    """Which kernel it starts by is a property, which whoever may write there can change; the disk is the same."""
    region = Region()
    first = region.offer(built(tmp_path / "a", "1"))
    region.image.entries["theirs"] = Record(id="theirs", name="a kernel", status="active", properties={})
    entry = region.image.entries[first.id]
    signed = entry.properties["kernel_id"]
    for other in ("theirs", "gone"):
        entry.properties["kernel_id"] = other
        assert region.judged(KEY) == [("debian-13-base", False), ("debian-13-base-kernel", True), ("debian-13-base-ramdisk", True)]
    entry.properties["kernel_id"] = signed
    region.image.entries[signed].hash_value = "0" * 128
    assert region.judged(KEY) == [("debian-13-base", False), ("debian-13-base-kernel", False), ("debian-13-base-ramdisk", True)]


def test_a_region_without_the_image_is_not_hidden_by_one_that_has_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("LZ_CACHE", str(tmp_path / "cache"))
    regions = {"north": Region(), "south": Region()}
    monkeypatch.setattr("landing_zone.cli.images.sign_in", lambda planned, asked: regions)
    publish("north", regions["north"], sign(built(tmp_path / "a", "1"), load(Home.of("lab").image_key)))  # type: ignore[arg-type]
    assert main(["image", "verify", "--env", "lab"]) == 1
    assert [line.split() for line in capsys.readouterr().out.splitlines() if "south" in line] == [["south", "debian-13-base", "NONE"]]


def test_an_image_with_another_signature_is_uploaded_anew(tmp_path: Path) -> None:
    region, image = Region(), built(tmp_path / "a", "1")
    first = region.offer(image, direct=False)
    region.image.entries[first.id].properties["lz_signature"] = "of another key"
    again = region.offer(image, direct=False)
    assert (again.uploaded, again.removed) == (True, (first.id,))


def test_a_half_upload_is_replaced(tmp_path: Path) -> None:
    region, image = Region(), built(tmp_path / "a", "1")
    first = region.offer(image)
    region.image.entries[first.id].status = "queued"
    again = region.offer(image)
    assert again.uploaded
    assert again.removed == (first.id,)


@pytest.mark.parametrize("of", ["running", "volumes_of"])
def test_a_forerunner_stays_while_something_stands_on_it_and_goes_then(tmp_path: Path, of: str) -> None:
    region = Region()
    old = region.offer(built(tmp_path / "a", "1"))
    getattr(region, of).append(old.id)
    new = built(tmp_path / "b", "2")
    first = region.offer(new)
    assert (first.kept, first.removed) == ((old.id,), ())
    assert len(region.image.entries) == 6
    getattr(region, of).clear()
    assert set(region.offer(new).removed) >= {old.id}
    assert len(region.image.entries) == 3


def test_several_forerunners_may_stay(tmp_path: Path) -> None:
    region = Region()
    for name in ("a", "b"):
        region.running.append(region.offer(built(tmp_path / name, name)).id)
    last = region.offer(built(tmp_path / "c", "c"))
    assert (last.uploaded, last.kept, last.removed) == (True, tuple(region.running), ())


def test_an_image_of_somebody_else_is_left_alone(tmp_path: Path) -> None:
    region = Region()
    region.image.entries["theirs"] = Record(id="theirs", name="debian-13-base", status="active", properties={})
    assert region.offer(built(tmp_path / "a", "1")).removed == ()
    assert "theirs" in region.image.entries


def test_a_disk_that_is_not_the_one_that_was_built_is_not_uploaded(tmp_path: Path) -> None:
    region, image = Region(), built(tmp_path / "a", "1")
    image.disk.write_text("spoiled")
    with pytest.raises(LzError, match="not what was built"):
        region.offer(image)
    assert region.image.uploads == []


def test_disks_go_before_the_kernels_they_start_by() -> None:
    old = [Known("k", "x-kernel", "1", True), Known("d", "x", "1", True, frozenset({"k"}))]
    assert forerunners([*old, Known("now", "x", "2", True)], "now", frozenset()) == (("d", "k"), ())
