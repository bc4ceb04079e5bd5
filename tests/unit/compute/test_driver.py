"""The Nova driver and what it downloads: its own modules are real; Nova, units, programs and mounts are stand-ins."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from lab.compute.driver import guests, host, images, units
from lab.compute.driver.state import IMAGE_USER
from tests.unit.compute.nova_stub import Nova, ProcessExecutionError, exception, vif
from tests.unit.compute.test_cow import make_cow
from tests.unit.compute.test_volumes import OTHER, VOLUME_ID, Host, connection

MIB = 1 << 20
UUID = "6f70656e-7374-4163-8b20-6c616e64696e"
UNIT = f"nova-{UUID}.service"
IMAGE = SimpleNamespace(id="image")
Make = Callable[[Path], bytes]
SYSTEMD_RUN = ("systemd-run", "--quiet", f"--unit={UNIT}")
VIEW = ("systemd-run", "--quiet", f"--unit={units.view_unit(VOLUME_ID)}")


class Machine(Host):
    """Knows which units run. Copies are real, and the real qemu-img reads images, though not as another user."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.units: dict[str, str] = {}  # those that run, with the state of their freezer
        self.run.answer("systemctl", "show", by=self._show)
        self.run.answer("systemctl", "kill", by=lambda words: self.units.pop(words[-1], ""))
        self.run.answer("cp", by=really)
        for beginning in ("/usr/bin/setpriv", "unshare"):
            self.run.answer(beginning, by=lambda words: really(words[words.index("qemu-img") :]) if "qemu-img" in words else "")

    def _show(self, words: list[str]) -> str:
        return f"ActiveState=active\nFreezerState={self.units[words[-1]]}\n" if words[-1] in self.units else "ActiveState=inactive\n"

    def start(self, words: list[str]) -> str:
        name = words[2].removeprefix("--unit=")
        if name in self.units:
            raise ProcessExecutionError(f"Unit {name} was already loaded")
        self.units[name] = "running"
        return super().start(words)

    def fails(self, *beginning: str) -> None:
        def fail(words: list[str]) -> str:
            raise ProcessExecutionError(words)

        self.run.answer(*beginning, by=fail)


def really(words: list[str]) -> str:
    """Without -t none: the tests' folder may be in memory, which has no direct access."""
    try:
        return subprocess.run([word for word in words if word not in ("-t", "none")], check=True, capture_output=True, text=True).stdout
    except subprocess.CalledProcessError as problem:
        raise ProcessExecutionError(problem.stderr) from problem


def with_volume(device: str = "/dev/vda", boot_index: int | None = 0, **data: Any) -> dict[str, Any]:
    return {"block_device_mapping": [{"connection_info": connection(**data), "mount_device": device, "boot_index": boot_index}]}


@dataclass
class Lab:
    """The driver with one instance that Nova wants of it; a GB has one MiB here. owners: users to whom something was given."""

    driver: Any
    nova: Nova
    machine: Machine
    root: Path
    instance: Any
    owners: dict[Path, int]

    def spawn(self, devices: dict[str, Any] | None = None, kind: str = "ovs") -> None:
        self.driver.spawn(None, self.instance, IMAGE, [], "secret", None, [vif(kind)], devices)

    def resize(self, root_gb: int, *, fails: bool = False) -> None:
        """As Nova does it; the old flavor is back after a failure."""
        old, new = self.instance.flavor, SimpleNamespace(vcpus=2, memory_mb=512, root_gb=root_gb)
        self.driver.migrate_disk_and_power_off(None, self.instance, "192.0.2.1", new, [vif()])
        self.instance.flavor = old if fails else new
        target = SimpleNamespace(**{**vars(self.instance), "flavor": new})
        self.driver.finish_migration(None, None, target, "", [vif()], IMAGE, root_gb != old.root_gb, None)

    def revert(self, old: Any, *, power_on: bool = True) -> None:
        self.instance.flavor = old
        self.driver.finish_revert_migration(None, self.instance, [vif()], None, None, power_on)

    def guest(self, name: str) -> Path:
        return self.driver.guests.home(UUID) / "guest" / name  # type: ignore[no-any-return]

    def left(self, *more: str) -> list[str]:
        """What there is of instances, volumes, units, mounts and images on their way, and in `more` folders."""
        files = [path.name for folder in ("i/_work", "i", "run", "volumes", "mnt", *more) for path in (self.root / folder).glob("[!_]*")]
        return [*files, *self.machine.units, *map(str, self.machine.mounts)]


@pytest.fixture
def lab(short_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Lab]:
    machine = Machine(short_path)
    nova = Nova(short_path, lambda *words, check_exit_code, **_: (machine.run(*words, ok=check_exit_code), ""))
    owners: dict[Path, int] = {}
    monkeypatch.setattr("os.chown", lambda path, user, *_, **__: owners.update({Path(path): user}))
    monkeypatch.setattr("os.fchown", lambda *_: None)
    monkeypatch.setattr(host, "is_mounted", machine.mounts.__contains__)
    monkeypatch.setattr(guests.Guests.__init__, "__defaults__", (short_path / "run",))
    with nova.driver() as module:
        module.GIB, module.TUN, module.FUSE = MIB, short_path, short_path
        nova.images["image"] = ("raw", b"r" * MIB)
        flavor = SimpleNamespace(vcpus=1, memory_mb=512, root_gb=2)
        driver = module.UMLDriver(nova)
        driver.init_host("node")
        yield Lab(driver, nova, machine, short_path, SimpleNamespace(uuid=UUID, name="i-1", project_id="p", flavor=flavor), owners)


def test_the_stand_in_for_nova_is_gone_after_its_test(tmp_path: Path) -> None:
    with Nova(tmp_path, lambda: ("", "")).driver():
        assert "nova.virt.images" in sys.modules
    assert not [name for name in sys.modules if name.split(".")[0] in ("nova", "eventlet") or name == "lab.compute.driver.downloads"]
    assert not hasattr(sys.modules["lab.compute.driver"], "downloads")


@pytest.mark.parametrize("kind", ["raw", "qcow2"])
def test_an_instance_runs_on_its_image(lab: Lab, kind: str) -> None:
    lab.nova.images["image"] = (kind, disk(lab.root, kind))
    lab.spawn()
    known = lab.driver.guests.load(UUID)
    assert Path(known.base).read_bytes() == bytes(2 * MIB)
    assert UNIT in lab.machine.units
    assert (lab.driver.guests.home(UUID) / guests.CONFIG_DRIVE).stat().st_mode & 0o777 == 0o400
    assert [nic.mac for nic in known.nics] == ["fa:16:3e:00:00:01"]


@pytest.mark.parametrize(
    ("devices", "port", "refused"),
    [
        ({"swap": {"device_name": "/dev/vdb", "swap_size": 512}}, "ovs", exception.InvalidBDMSwapSize),
        ({"ephemerals": [{"device_name": "/dev/vdb", "size": 1}]}, "ovs", exception.InvalidBDMEphemeralSize),
        (with_volume(encrypted=True), "ovs", exception.InvalidVolume),
        (with_volume("/dev/vdb", None, encrypted=True), "ovs", exception.InvalidVolume),
        (None, "bridge", exception.VirtualInterfacePlugException),
    ],
)
def test_what_the_driver_does_not_have_is_refused(lab: Lab, devices: Any, port: str, refused: type[Exception]) -> None:
    with pytest.raises(refused):
        lab.spawn(devices, port)
    assert lab.left() == []
    assert lab.machine.run.of("systemd-run") == []


@pytest.mark.parametrize("step", [("ovs-vsctl", "--timeout=30", "--may-exist"), SYSTEMD_RUN])
def test_an_instance_of_which_a_step_fails_leaves_nothing(lab: Lab, step: tuple[str, ...]) -> None:
    lab.machine.fails(*step)
    with pytest.raises(ProcessExecutionError):
        lab.spawn(with_volume("/dev/vdb", None))
    assert lab.machine.run.of("mount"), "the volume was there"
    assert lab.left() == []
    assert lab.machine.run.of("ip", "link", "delete")


@pytest.mark.parametrize("ports", ["silent", "failed"])
def test_an_instance_whose_ports_do_not_work_leaves_nothing_or_runs_as_it_was_set(lab: Lab, ports: str) -> None:
    lab.nova.ports = ports
    with pytest.raises(exception.VirtualInterfaceCreateException):
        lab.spawn()
    assert lab.left() == []
    lab.nova.conf.vif_plugging_is_fatal = False
    lab.spawn()
    assert UNIT in lab.machine.units


def test_an_instance_boots_from_a_volume_without_an_image(lab: Lab) -> None:
    lab.spawn(with_volume())
    assert lab.nova.done == []
    assert lab.driver.guests.load(UUID).root_volume == VOLUME_ID
    words = (lab.driver.guests.home(UUID) / "args").read_text().split()
    assert f"ubd0d={lab.root}/volumes/{UUID}/{VOLUME_ID},,{VOLUME_ID[:20]}" in words


def test_a_start_takes_away_what_nova_no_longer_lists(lab: Lab) -> None:
    """A volume or port that was taken from an instance while nova-compute was not there."""
    lab.spawn(with_volume("/dev/vdb", None))
    lab.driver.power_off(lab.instance)
    lab.driver.power_on(None, lab.instance, [])
    known = lab.driver.guests.load(UUID)
    assert (known.volumes, known.nics, lab.machine.mounts) == ((), (), set())
    assert lab.machine.run.of("ip", "link", "delete")
    assert UNIT in lab.machine.units


def test_a_resize_to_more_memory_leaves_the_disk(lab: Lab) -> None:
    lab.spawn()
    lab.driver.power_off(lab.instance)
    lab.instance.flavor = SimpleNamespace(vcpus=1, memory_mb=1024, root_gb=3)  # bigger, but Nova says that it is not to be resized
    lab.driver.finish_migration(None, None, lab.instance, "", [vif()], IMAGE, False, None)
    assert not lab.guest("disk").exists()
    assert UNIT in lab.machine.units


def test_destroying_can_be_repeated(lab: Lab) -> None:
    lab.driver.destroy(None, lab.instance, [vif()])  # was never made
    lab.spawn(with_volume("/dev/vdb", None))
    for _ in range(2):
        lab.driver.destroy(None, lab.instance, [vif()], with_volume("/dev/vdb", None))
        assert lab.left() == []
    assert not lab.driver.instance_exists(lab.instance)


def test_states_of_an_instance(lab: Lab) -> None:
    with pytest.raises(exception.InstanceNotFound):
        lab.driver.get_info(lab.instance)
    lab.spawn()
    for freezer, state in (("running", "running"), ("frozen", "paused"), ("freezing", "paused")):
        lab.machine.units[UNIT] = freezer
        assert lab.driver.get_info(lab.instance).state == state
    lab.driver.power_off(lab.instance)
    assert lab.driver.get_info(lab.instance).state == "shutdown"
    with pytest.raises(exception.InstanceNotRunning):
        lab.driver.pause(lab.instance)


def test_nova_hears_once_of_an_instance_that_has_ended_by_itself(lab: Lab) -> None:
    lab.spawn()
    lab.machine.units.clear()
    lab.machine.run.answer("systemctl", "is-system-running", by="stopping\n")
    lab.driver._poll()
    assert lab.driver.events == [], "it ends with the machine, and shall start again with it"
    lab.machine.run.answer("systemctl", "is-system-running", by="running\n")
    with lab.driver._working(lab.instance):
        lab.driver._poll()
    assert lab.driver.events == [], "somebody is at work with it"
    for _ in range(2):
        lab.driver._poll()
    assert lab.driver.events == [(UUID, "stopped")]


@pytest.mark.parametrize(
    ("dest", "root_gb", "refused"), [("192.0.2.1", 1, exception.InstanceFaultRollback), ("192.0.2.9", 2, exception.MigrationError)]
)
def test_a_resize_that_cannot_be_leaves_the_instance_running(lab: Lab, dest: str, root_gb: int, refused: type[Exception]) -> None:
    lab.spawn()
    with pytest.raises(refused):
        lab.driver.migrate_disk_and_power_off(None, lab.instance, dest, SimpleNamespace(root_gb=root_gb), [vif()])
    assert UNIT in lab.machine.units


def test_a_resize_lets_go_of_the_volume_whose_size_is_none_of_the_flavors_business(lab: Lab) -> None:
    lab.spawn(with_volume())
    lab.driver.migrate_disk_and_power_off(None, lab.instance, "192.0.2.1", SimpleNamespace(root_gb=1), [vif()], with_volume())
    assert (lab.machine.units.get(UNIT), lab.machine.mounts) == (None, set())


@pytest.mark.parametrize("power_on", [True, False])
def test_a_resize_taken_back_brings_disk_and_size_back(lab: Lab, power_on: bool) -> None:
    lab.spawn()
    make_cow(lab.guest("disk.cow"), 2 * MIB, {2: b"c" * 512})
    before, old = lab.guest("disk.cow").read_bytes(), lab.instance.flavor
    lab.resize(3)
    assert lab.guest("disk").stat().st_size == 3 * MIB
    assert lab.guest("disk").read_bytes()[1024:1536] == b"c" * 512
    lab.revert(old, power_on=power_on)
    assert lab.guest("disk.cow").read_bytes() == before
    assert not lab.guest("disk").exists()
    assert (lab.driver.guests.load(UUID).vcpus, UNIT in lab.machine.units) == (1, power_on)


def test_taking_a_resize_back_does_not_bring_the_disk_of_an_earlier_one_that_failed(lab: Lab) -> None:
    """After the failure the instance was started again, and has written to the disk that it had by then."""
    lab.spawn()
    make_cow(lab.guest("disk.cow"), 2 * MIB, {})
    old = lab.instance.flavor
    lab.machine.fails(*SYSTEMD_RUN)
    with pytest.raises(ProcessExecutionError):
        lab.resize(3, fails=True)
    lab.machine.run.answer(*SYSTEMD_RUN, by="")
    lab.guest("disk").write_bytes(b"w" * 3 * MIB)
    lab.resize(2)  # more memory, as big a disk
    lab.revert(old)
    assert lab.guest("disk").read_bytes() == b"w" * 3 * MIB


def disk(folder: Path, kind: str, *options: str, size: int = MIB) -> bytes:
    """An image as qemu-img makes it; {} in an option is the folder."""
    really(["qemu-img", "create", "-q", "-f", kind, *(o.format(folder) for o in options), str(folder / "made"), str(size)])
    return (folder / "made").read_bytes()


@pytest.mark.parametrize(
    ("kind", "make", "words"),
    [
        ("qcow2", lambda folder: disk(folder, "qcow2", "-b", "/etc/passwd", "-F", "raw"), "another file"),
        ("qcow2", lambda folder: disk(folder, "qcow2", "-o", "data_file={}/data"), "another file"),
        ("qcow2", lambda folder: disk(folder, "qcow2", size=3 * MIB), "the disk only"),
        ("qcow2", lambda folder: disk(folder, "vmdk"), "cannot be read"),
        ("qcow2", lambda folder: disk(folder, "qcow2")[:50], "cannot be read"),
        ("vmdk", lambda folder: b"", "only raw and qcow2"),
    ],
    ids=["backing-file", "data-file", "too-big", "false-format", "damaged", "other-format"],
)
def test_an_image_that_nova_has_let_pass_is_refused_by_the_driver(lab: Lab, kind: str, make: Make, words: str) -> None:
    lab.nova.images["image"] = (kind, make(lab.root))
    with pytest.raises(exception.ImageUnacceptable, match=words):
        lab.spawn()
    assert lab.left("i/_base") == []
    assert lab.nova.done == (["fetch image"] if kind == "qcow2" else []), "what nobody can read is not downloaded"


def test_a_download_that_is_cut_off_leaves_nothing_and_can_be_repeated(lab: Lab) -> None:
    good = lab.nova.images["image"]
    lab.nova.images["image"] = ("raw", OSError("digest differs"))
    with pytest.raises(OSError, match="digest differs"):
        lab.driver.cache_image(None, "image")
    assert lab.left("i/_base") == []
    lab.nova.images["image"] = good
    assert lab.driver.cache_image(None, "image")
    assert (lab.root / "i/_base/image").read_bytes() == good[1]
    assert not lab.driver.cache_image(None, "image"), "it is there already"


def test_an_image_in_the_cache_that_is_bigger_than_the_disk_is_refused(lab: Lab) -> None:
    lab.nova.images["image"] = ("raw", bytes(3 * MIB))
    lab.driver.cache_image(None, "image")
    with pytest.raises(exception.FlavorDiskSmallerThanImage):
        lab.spawn()
    assert lab.left() == []


def taken_over(lab: Lab, act: Callable[[Path], object] | None = None) -> Path:
    """An image has the program that reads it in its hands, which acts where it shall write: leaves a link to this file."""
    secret = lab.root / "secret"
    secret.write_bytes(b"s")
    secret.chmod(0o600)

    def convert(words: list[str]) -> str:
        (act or (lambda target: target.symlink_to(secret)))(Path(words[-1]))
        return ""

    words = images.convert_words(secret, "", secret, "")
    lab.machine.run.answer(*words[: words.index("convert") + 1], by=convert)
    return secret


def test_a_link_that_the_reader_of_an_image_leaves_is_not_taken_for_it(lab: Lab) -> None:
    lab.nova.images["image"] = ("qcow2", disk(lab.root, "qcow2"))
    secret = taken_over(lab)
    with pytest.raises(exception.ImageUnacceptable):
        lab.driver.cache_image(None, "image")
    assert secret.stat().st_mode & 0o777 == 0o600
    assert lab.left("i/_base") == []


def test_links_that_the_reader_of_an_image_leaves_are_followed_for_no_other_image(lab: Lab) -> None:
    lab.nova.images["image"] = ("qcow2", disk(lab.root, "qcow2"))
    lab.spawn()
    lab.machine.units.clear()

    def plant(target: Path) -> None:
        for folder in (path for path in target.parents if lab.owners.get(path) == IMAGE_USER):
            for name in ("second.part", "second.raw", "second.qcow2", "source", "source.held", "taken"):
                (folder / name).symlink_to(secret)
        target.symlink_to(secret)

    secret = taken_over(lab, plant)
    lab.nova.images |= {"first": lab.nova.images["image"], "second": ("raw", b"r" * MIB)}
    with pytest.raises(exception.ImageUnacceptable):
        lab.driver.cache_image(None, "first")
    assert lab.driver.cache_image(None, "second")
    with pytest.raises(exception.InstanceNotReady):
        lab.driver.snapshot(None, lab.instance, "second", lambda **_: None)
    assert (secret.read_bytes(), secret.stat().st_mode & 0o777, lab.owners.get(secret)) == (b"s", 0o600, None)
    assert not list((lab.root / "i/_work").iterdir())


def test_a_folder_that_the_reader_of_an_image_leaves_spoils_nothing(lab: Lab) -> None:
    lab.nova.images["image"] = ("qcow2", disk(lab.root, "qcow2"))
    taken_over(lab, lambda target: (target / "deep").mkdir(parents=True))
    for _ in range(2):
        with pytest.raises(exception.ImageUnacceptable):
            lab.driver.cache_image(None, "image")
    assert lab.left("i/_base") == []


def test_what_a_killed_download_has_left_does_not_keep_nova_from_starting(lab: Lab) -> None:
    (lab.root / "i/_work/left/deep").mkdir(parents=True)
    (lab.root / "i/_work/link").symlink_to(lab.root)
    lab.driver.init_host("node")
    assert lab.left() == []
    assert lab.root.exists()


def test_the_reader_of_images_has_no_folder_in_which_root_writes(lab: Lab) -> None:
    with images.workplace(lab.root / "i/_work") as place:
        writable = [path for path in (place.source, *place.source.parents) if lab.owners.get(path) == IMAGE_USER]
        assert writable == []
        assert [place.source.parents[above].stat().st_mode & 0o777 for above in (0, 1)] == [0o710, 0o710]
        assert lab.owners[place.result.parent] == IMAGE_USER


def test_a_snapshot_is_packed_and_uploaded(lab: Lab) -> None:
    lab.spawn()
    lab.machine.units.clear()
    lab.driver.snapshot(None, lab.instance, "snapshot", lambda **_: None)
    assert lab.nova.uploaded.startswith(b"QFI\xfb")
    assert not list((lab.root / "i/_work").iterdir())


def test_no_link_is_followed_for_a_snapshot(lab: Lab) -> None:
    lab.spawn()
    lab.machine.units.clear()
    lab.guest("disk.cow").symlink_to(taken_over(lab))
    with pytest.raises(exception.InvalidInput):
        lab.driver.snapshot(None, lab.instance, "snapshot", lambda **_: None)
    lab.guest("disk.cow").unlink()
    with pytest.raises(exception.InstanceNotReady):
        lab.driver.snapshot(None, lab.instance, "snapshot", lambda **_: None)
    assert lab.nova.uploaded == b""
    assert not list((lab.root / "i/_work").iterdir())


def test_an_encrypted_volume_is_not_attached(lab: Lab) -> None:
    lab.spawn()
    with pytest.raises(exception.InvalidVolume, match="encrypted"):
        lab.driver.attach_volume(None, connection(), lab.instance, "/dev/vdb", encryption={"provider": "luks"})
    assert lab.machine.mounts == set()


class Killed(BaseException):
    """Nobody catches it, as nobody would go on after a SIGKILL."""


def killed(*_: object) -> str:
    raise Killed


def killed_during_attach(lab: Lab, monkeypatch: pytest.MonkeyPatch, *, between_daemons: bool) -> None:
    """nova-compute ends when the volume is connected and its state does not say so yet."""
    with monkeypatch.context() as patch:
        if between_daemons:
            lab.machine.run.answer(*VIEW, by=killed)
        else:
            patch.setattr(lab.driver.guests.store, "save", killed)
        with pytest.raises(Killed):
            lab.driver.attach_volume(None, connection(), lab.instance, "/dev/vdb")
        lab.machine.run.answer(*VIEW, by=lab.machine.start)
    assert units.volume_unit(VOLUME_ID) in lab.machine.units
    assert lab.driver.guests.load(UUID).volumes == ()


@pytest.mark.parametrize("between_daemons", [True, False])
def test_an_instance_can_be_deleted_after_nova_was_killed_during_an_attach(
    lab: Lab, monkeypatch: pytest.MonkeyPatch, between_daemons: bool
) -> None:
    lab.spawn()
    killed_during_attach(lab, monkeypatch, between_daemons=between_daemons)
    lab.driver.destroy(None, lab.instance, [vif()])
    assert lab.left() == []


@pytest.mark.parametrize("between_daemons", [True, False])
@pytest.mark.parametrize("uuid", [UUID, OTHER], ids=["same", "other"])
def test_a_volume_can_be_attached_after_nova_was_killed_during_an_attach(
    lab: Lab, monkeypatch: pytest.MonkeyPatch, between_daemons: bool, uuid: str
) -> None:
    """Also to another instance, from which the end of the first one does not take it."""
    lab.spawn()
    killed_during_attach(lab, monkeypatch, between_daemons=between_daemons)
    volume = lab.driver.guests.volumes.connect(connection(), uuid, "/dev/vdb", 7)
    assert Path(volume.path) in lab.machine.mounts
    if uuid == OTHER:
        lab.driver.destroy(None, lab.instance, [vif()])
    assert lab.machine.mounts == {Path(volume.path), lab.driver.guests.volumes.mount_point(volume.share)}
    assert {units.volume_unit(VOLUME_ID), units.view_unit(VOLUME_ID)} <= set(lab.machine.units)


def test_what_the_guests_kernel_refuses_is_said_in_novas_words(lab: Lab) -> None:
    """No kernel listens here, which is one way to refuse."""
    lab.spawn()
    driver, known = lab.driver, lab.driver.guests.load(UUID)
    with pytest.raises(exception.VolumeAttachFailed):
        driver.attach_volume(None, connection(), lab.instance, "/dev/vdb")
    with pytest.raises(exception.InterfaceAttachFailed):
        driver.attach_interface(None, lab.instance, IMAGE, {**vif(), "id": "22345678-9abc-def0-1234-56789abcdef0"})
    with pytest.raises(exception.InterfaceDetachFailed):
        driver.detach_interface(None, lab.instance, vif())
    with pytest.raises(exception.DiskNotFound):
        driver.detach_volume(None, connection(), lab.instance, "/dev/vdb")
    assert driver.guests.load(UUID) == known
    driver.guests.connect_volume(UUID, connection(), "/dev/vdb")
    with pytest.raises(exception.DeviceDetachFailed):
        driver.detach_volume(None, connection(), lab.instance, "/dev/vdb")
    assert driver.guests.load(UUID).volume(VOLUME_ID)


def snapshot_volume(lab: Lab, verb: str) -> None:
    if verb == "create":
        lab.driver.volume_snapshot_create(None, lab.instance, VOLUME_ID, {"snapshot_id": "s", "new_file": "volume.s"})
    else:
        lab.driver.volume_snapshot_delete(None, lab.instance, VOLUME_ID, "s", {"file_to_merge": "volume.s", "merge_target_file": "volume"})


@pytest.mark.parametrize(("verb", "told"), [("create", "error"), ("delete", "error_deleting")])
def test_cinder_is_told_that_a_snapshot_has_failed(lab: Lab, verb: str, told: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """It waits for that; the volume is not attached, no daemon listens, then something else goes wrong."""
    lab.spawn()
    with pytest.raises(exception.InternalError, match="not attached"):
        snapshot_volume(lab, verb)
    lab.driver.guests.connect_volume(UUID, connection(), "/dev/vdb")
    with pytest.raises(exception.InternalError):
        snapshot_volume(lab, verb)
    monkeypatch.delattr(lab.driver.guests, "volumes")
    with pytest.raises(AttributeError):
        snapshot_volume(lab, verb)
    assert lab.nova.told == [told] * 3
    assert "refresh" not in lab.nova.done


@pytest.mark.parametrize(("verb", "told"), [("create", "creating"), ("delete", "deleting")])
def test_a_snapshots_new_file_is_asked_for_when_cinder_knows_it(lab: Lab, verb: str, told: str, monkeypatch: pytest.MonkeyPatch) -> None:
    lab.spawn(with_volume("/dev/vdb", None))
    volume = lab.driver.guests.load(UUID).volume(VOLUME_ID)
    monkeypatch.setattr(lab.driver.guests.volumes, "snapshot", lambda *_: volume)
    monkeypatch.setattr(lab.driver.guests.volumes, "merge", lambda *_: None)
    lab.nova.states = iter((told, told, "available"))
    snapshot_volume(lab, verb)
    assert (lab.nova.told, lab.nova.done[-1], list(lab.nova.states)) == ([told], "refresh", [])
