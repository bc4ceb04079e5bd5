"""Units, network devices, and the guests made of them."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from lab.compute.driver import guests as module
from lab.compute.driver import host, images, mconsole, network, units
from lab.compute.driver.guests import Guests, Port
from lab.compute.driver.state import FIRST_USER, LAST_USER, Instance, Nic, Store, Volume
from lab.compute.driver.units import Units
from lab.compute.driver.volumes import Volumes
from tests.unit.compute.fakes import KernelSocket, Programs

UUID = "6f70656e-7374-4163-8b20-6c616e64696e"
OTHER = "6f70656e-7374-4163-8b20-6c616e64696f"
INSTANCE = Instance(UUID, "instance-1", FIRST_USER + 5, vcpus=1, memory_mb=1024, root_gb=5, cpus=(1,), base="/base/image")
RUNNING = "ActiveState=active\nFreezerState=running\n"
PORT = Port("12345678-9abc-def0-1234-56789abcdef0", "fa:16:3e:00:00:01", 1442, "br-int")


def properties(words: list[str]) -> dict[str, str]:
    pairs = [word.removeprefix("--property=").split("=", 1) for word in words if word.startswith("--property=")]
    return {name: value for name, value in pairs}  # noqa: C416


def test_an_instance_is_locked_in(tmp_path: Path) -> None:
    (tmp_path / "disk.config").touch()
    words = units.start_instance(INSTANCE, tmp_path, Path("/volumes/i"))
    said = properties(words)
    command = words[words.index("--") + 1 :]
    assert command[: len(units.unprivileged(INSTANCE.user))] == units.unprivileged(INSTANCE.user)
    assert said["ExecStop"].startswith(" ".join(units.unprivileged(INSTANCE.user)))
    assert said["NoNewPrivileges"] == "yes"
    assert said["TemporaryFileSystem"].startswith("/:ro ")
    assert said["CPUAffinity"] == "1"
    assert set(said["BindPaths"].split()) == {f"{tmp_path}/guest", f"/run/uml/{UUID}", "/volumes/i", "/dev/uml-tun:/dev/net/tun"}
    assert "/base/image" in said["BindReadOnlyPaths"].split()
    assert f"{tmp_path}/disk.config" in said["BindReadOnlyPaths"].split()
    assert not any(path.startswith(("/etc/nova", "/var", "/run", "/root")) for path in said["BindReadOnlyPaths"].split())


def test_an_unprivileged_command_has_no_way_back() -> None:
    words = units.unprivileged(77)
    assert {"--reuid=77", "--regid=77", "--clear-groups", "--no-new-privs", "--bounding-set=-all"} <= set(words)


def test_guests_stop_before_what_they_stand_on(tmp_path: Path) -> None:
    said = properties(units.start_instance(INSTANCE, tmp_path, Path("/volumes/i")))
    assert "openvswitch-switch.service" in said["After"].split()
    assert said["Before"] == "nova-compute.service"
    assert "$MAINPID" in said["ExecStop"]
    assert int(said["TimeoutStopSec"]) >= 30


def test_volumes_outlive_the_guests_that_write_to_them() -> None:
    served = properties(units.start_storage_daemon("v1", UUID, Path("/s/f"), "raw", Path("/nbd"), Path("/qmp")))
    shown = properties(units.start_file_view("v1", UUID, Path("/nbd"), Path("/p")))
    assert served["Before"].split() == [units.view_unit("v1"), units.instance_unit(UUID)]
    assert shown["Before"] == units.instance_unit(UUID)


def test_a_reboot_inside_starts_the_unit_anew(tmp_path: Path) -> None:
    said = properties(units.start_instance(INSTANCE, tmp_path, Path("/volumes/i")))
    reboot = Path(__file__).parents[3] / "lab/compute/machine/reboot"
    assert f"exit {said['RestartForceExitStatus']}" in reboot.read_text()


def test_states_of_a_unit() -> None:
    run = Programs()
    for shown, running, frozen in (
        (RUNNING, True, False),
        ("ActiveState=active\nFreezerState=frozen\n", True, True),
        ("ActiveState=activating\n", True, False),
        ("ActiveState=failed\n", False, False),
        ("ActiveState=inactive\n", False, False),
    ):
        run.answer("systemctl", "show", by=shown)
        status = Units(run).status("x.service")
        assert (status.running, status.frozen) == (running, frozen)


def test_a_frozen_unit_is_thawed_before_it_is_stopped() -> None:
    run = Programs()
    run.answer("systemctl", "show", by="ActiveState=active\nFreezerState=frozen\n")
    Units(run).stop("x.service", 10)
    verbs = [command[1] for command in run.ran if command[0] == "systemctl"]
    assert verbs.index("thaw") < verbs.index("kill")


def test_the_tap_belongs_to_the_instances_user() -> None:
    nic = Nic(PORT.id, 0, PORT.mac, PORT.mtu)
    first, second = network.make_tap(nic, 1234)
    assert first[-2:] == ["user", "1234"]
    assert second[3] == "tap12345678-9a"
    assert "1442" in second
    assert f'external_ids:iface-id="{PORT.id}"' in network.add_port(nic, "br-int", UUID)


def test_instances_cannot_use_the_machines_network() -> None:
    assert f"meta skuid {FIRST_USER}-{LAST_USER}" in network.FIREWALL


def test_totals_of_the_machine(tmp_path: Path) -> None:
    (tmp_path / "meminfo").write_text("MemFree: 1 kB\nMemTotal:        2097152 kB\n")
    assert host.totals(tmp_path, tmp_path / "meminfo").memory_mb == 2048
    (tmp_path / "meminfo").write_text("nothing\n")
    with pytest.raises(ValueError, match="does not tell"):
        host.totals(tmp_path, tmp_path / "meminfo")
    assert host.used([INSTANCE, INSTANCE]) == host.Used(2, 2048, 10)


def test_mounts_are_found_by_their_exact_place(tmp_path: Path) -> None:
    (tmp_path / "mounts").write_text("1 2 0:1 / /srv/a rw - tmpfs tmpfs rw\n")
    assert host.is_mounted(Path("/srv/a"), tmp_path / "mounts")
    assert not host.is_mounted(Path("/srv"), tmp_path / "mounts")


@pytest.mark.parametrize(
    ("table", "number"),
    [
        ('{"partitiontable": {"partitions": [{"node": "x1", "size": 5}, {"node": "x14", "size": 9}]}}', "14"),
        ('{"partitiontable": {"partitions": []}}', ""),
        ('{"partitiontable": {}}', ""),
        ("", ""),
        ("null", ""),
    ],
)
def test_root_is_the_biggest_partition(table: str, number: str) -> None:
    assert module.biggest_partition(table) == number


def test_what_is_wrong_with_one_instance_keeps_nobody_from_the_next() -> None:
    seen: list[str] = []
    told: list[tuple[str, str]] = []

    def act(instance: Instance) -> None:
        if instance.name == "a":
            raise OSError("no space")
        seen.append(instance.name)

    every = [replace(INSTANCE, name=name) for name in "ab"]
    module.each(every, act, lambda instance: told.append((instance.name, str(sys.exception()))))
    assert seen == ["b"]
    assert told == [("a", "no space")]


class Lab:
    """Guests over programs that only pretend."""

    def __init__(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("os.chown", lambda *_, **__: None)
        self.run = Programs()
        self.sockets = root / "s"
        self.shown: dict[str, Volume] = {}
        self.store = Store(root / "i")
        manager = Units(self.run)
        volumes = Volumes(self.run, manager, root / "n", lambda _: False)
        monkeypatch.setattr(volumes, "connect", self._connect)
        monkeypatch.setattr(volumes, "disconnect", lambda volume_id: self.shown.pop(volume_id, None))
        self.guests = Guests(self.store, manager, network.Network(self.run, root / "devices"), volumes, self.run, self.sockets)
        self.stopped()
        (root / "base").write_bytes(b"b" * 4096)
        self.store.save(replace(self.guests.make(UUID, "instance-1", 1, 512, 5), user=os.geteuid()))
        self.guests.set_base(UUID, root / "base")

    def _connect(self, info: dict[str, Any], _uuid: str, device: str, _user: int) -> Volume:
        self.shown[info["serial"]] = Volume(info["serial"], device, f"/v/{info['serial']}", "/s", "f", "raw")
        return self.shown[info["serial"]]

    def stopped(self) -> None:
        self.run.answer("systemctl", "show", by="ActiveState=inactive\n")

    def running(self, replies: Any = lambda _: [(False, "")]) -> KernelSocket:
        self.run.answer("systemctl", "show", by=RUNNING)
        self.kernel = KernelSocket(self.sockets / UUID / "guest" / "mconsole", replies)
        return self.kernel

    def arguments(self) -> list[str]:
        return (self.guests.home(UUID) / "args").read_text().splitlines()


@pytest.fixture
def lab(short_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Lab]:
    made = Lab(short_path, monkeypatch)
    yield made
    if hasattr(made, "kernel"):
        made.kernel.close()


def test_starting_writes_arguments_and_pins(lab: Lab) -> None:
    lab.guests.plug(UUID, PORT)
    lab.guests.start(UUID, [0, 1])
    assert any(word.startswith("vec0:") for word in lab.arguments())
    assert lab.guests.load(UUID).cpus == (0,)
    (started,) = lab.run.of("systemd-run")
    assert started[2] == f"--unit=nova-{UUID}.service"
    nobody = units.unprivileged(lab.guests.load(UUID).user)
    (probe,) = [command for command in lab.run.ran if "sfdisk" in command]
    assert probe[probe.index("sfdisk") - len(nobody) : probe.index("sfdisk")] == nobody


def test_instances_that_are_started_together_are_spread_too(lab: Lab) -> None:
    """Each looks into its disk first, and the others go on meanwhile."""

    def look(_: list[str]) -> str:
        lab.store.save(replace(INSTANCE, uuid=OTHER, cpus=(0,)))
        return ""

    lab.run.answer("timeout", "--signal=KILL", by=look)
    lab.guests.start(UUID, [0, 1])
    assert lab.guests.load(UUID).cpus == (1,)


@pytest.mark.timeout(20)
@pytest.mark.skipif(os.geteuid() != 0, reason="takes root, which nova-compute is")
def test_a_pipe_in_the_place_of_a_disk_holds_nobody_up(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever waits for the instance, to delete it too, waits for the look at its disk."""
    monkeypatch.setattr(module, "LOOK_SECONDS", 1)
    os.mkfifo(lab.guests.home(UUID) / images.DISK)
    for first in ("timeout", "/usr/bin/setpriv"):
        lab.run.answer(first, by=lambda words: subprocess.run(words, check=True, capture_output=True, text=True).stdout)
    with pytest.raises(subprocess.CalledProcessError):
        lab.guests.start(UUID, [0])


def test_a_running_instance_is_not_started_twice(lab: Lab) -> None:
    lab.run.answer("systemctl", "show", by=RUNNING)
    lab.guests.start(UUID, [0])
    assert lab.run.of("systemd-run") == []


def test_stopping_frees_its_processors(lab: Lab) -> None:
    lab.guests.start(UUID, [0])
    lab.guests.stop(UUID, 0)
    assert lab.guests.load(UUID).cpus == ()
    assert lab.run.of("systemctl", "kill")


def test_a_volume_is_plugged_into_a_running_kernel(lab: Lab) -> None:
    kernel = lab.running()
    lab.guests.attach_volume(UUID, {"serial": "v1"}, "/dev/vdb")
    assert kernel.heard == ["config ubd1d=/v/v1,,v1"]
    assert "ubd1d=/v/v1,,v1" in lab.arguments()
    lab.guests.detach_volume(UUID, "v1")
    assert kernel.heard[-1] == "remove ubd1"
    assert lab.shown == {}
    assert not any("ubd1" in word for word in lab.arguments())


def test_a_volume_that_the_kernel_refuses_is_taken_back(lab: Lab) -> None:
    lab.running(lambda _: [(True, "no")])
    with pytest.raises(mconsole.ConsoleError):
        lab.guests.attach_volume(UUID, {"serial": "v1"}, "/dev/vdb")
    assert lab.shown == {}
    assert lab.guests.load(UUID).volumes == ()


def test_a_volume_in_use_stays(lab: Lab) -> None:
    lab.running(lambda command: [(command.startswith("remove"), "Device is currently open")])
    lab.guests.attach_volume(UUID, {"serial": "v1"}, "/dev/vdb")
    with pytest.raises(mconsole.ConsoleError, match="currently open"):
        lab.guests.detach_volume(UUID, "v1")
    assert "v1" in lab.shown
    assert lab.guests.load(UUID).volume("v1") is not None


def test_a_volume_without_a_place_is_not_left_connected(lab: Lab) -> None:
    with pytest.raises(ValueError, match="no place"):
        lab.guests.attach_volume(UUID, {"serial": "v1"}, "/dev/vda")
    assert lab.shown == {}


def test_detaching_what_is_not_there(lab: Lab) -> None:
    with pytest.raises(KeyError):
        lab.guests.detach_volume(UUID, "v1")


def test_a_port_is_plugged_into_a_running_kernel_and_taken_out(lab: Lab) -> None:
    kernel = lab.running()
    lab.guests.attach_port(UUID, PORT)
    assert kernel.heard[0].startswith("config vec0:transport=tap")
    lab.guests.detach_port(UUID, PORT.id)
    assert kernel.heard[-1] == "remove vec0"
    assert lab.guests.load(UUID).nics == ()
    assert lab.run.of("ip", "link", "delete")


def test_a_port_that_the_kernel_refuses_is_taken_back(lab: Lab) -> None:
    lab.running(lambda _: [(True, "no")])
    with pytest.raises(mconsole.ConsoleError):
        lab.guests.attach_port(UUID, PORT)
    assert lab.guests.load(UUID).nics == ()


def test_booting_from_a_volume(lab: Lab) -> None:
    lab.guests.connect_volume(UUID, {"serial": "root"}, "/dev/vda", root=True)
    lab.guests.start(UUID, [0])
    assert [word for word in lab.arguments() if word.startswith("ubd")] == ["ubd0d=/v/root,,root"]


def test_removing_leaves_nothing(lab: Lab) -> None:
    lab.guests.plug(UUID, PORT)
    lab.guests.connect_volume(UUID, {"serial": "v1"}, "/dev/vdb")
    lab.guests.start(UUID, [0])
    lab.guests.remove(UUID)
    assert lab.shown == {}
    assert not lab.guests.home(UUID).exists()
    assert not (lab.sockets / UUID).exists()
    assert lab.run.of("ovs-vsctl", "--timeout=30", "--if-exists", "del-port")
    lab.guests.remove(UUID)


def test_a_resize_can_be_taken_back_or_kept(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    def copy(_instance: Any, _home: Path, target: Path, *_: Any) -> None:
        target.write_bytes(b"flat")

    monkeypatch.setattr(images, "flat_copy", copy)
    home = lab.guests.home(UUID)
    (home / "guest/disk.cow").write_bytes(b"changes")
    lab.guests.grow_disk(UUID, 1 << 20)
    assert (home / "guest/disk").stat().st_size == 1 << 20
    lab.guests.undo_resize(UUID)
    assert not (home / "guest/disk").exists()
    assert (home / "guest/disk.cow").read_bytes() == b"changes"
    lab.guests.grow_disk(UUID, 1 << 20)
    lab.guests.keep_resized(UUID)
    assert sorted(path.name for path in home.iterdir()) == ["guest", "state.json"]
    assert lab.guests.load(UUID).base is None


def test_a_resize_that_fails_leaves_nothing_of_itself(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_instance: Any, _home: Path, target: Path, *_: Any) -> None:
        target.write_bytes(b"half")
        raise OSError("no space")

    monkeypatch.setattr(images, "flat_copy", full)
    with pytest.raises(OSError, match="no space"):
        lab.guests.grow_disk(UUID, 1 << 20)
    assert sorted(path.name for path in lab.guests.home(UUID).iterdir()) == ["guest", "state.json"]


def test_a_resize_taken_back_does_not_bring_the_disk_of_an_earlier_one(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that failed, and whose instance was started again on its new disk: that is the disk which counts."""
    monkeypatch.setattr(images, "flat_copy", lambda _instance, _home, target, *_: target.write_bytes(b"flat"))
    home = lab.guests.home(UUID)
    (home / "guest/disk.cow").write_bytes(b"changes")
    lab.guests.grow_disk(UUID, 1 << 20)
    (home / "guest/disk").write_bytes(b"written since")
    lab.guests.grow_disk(UUID, 1 << 20)
    lab.guests.undo_resize(UUID)
    assert {path.name: path.read_bytes() for path in (home / "guest").iterdir()} == {"disk": b"written since"}


def test_an_instance_that_was_held_for_a_copy_runs_on_when_the_driver_was_killed(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nova believes that it runs, and would never let it go on."""
    monkeypatch.setattr(images, "flat_copy", lambda _instance, _home, _target, _run, pause, _go_on: pause())
    lab.running()
    lab.guests.copy_disk(UUID, lab.sockets / "copy")
    lab.run.answer("systemctl", "show", by="ActiveState=active\nFreezerState=frozen\n")
    lab.guests.let_go(UUID)
    assert lab.run.of("systemctl", "thaw") == [["systemctl", "thaw", f"nova-{UUID}.service"]]
    lab.guests.let_go(UUID)
    assert len(lab.run.of("systemctl", "thaw")) == 1, "one that its user has paused stays so"


def test_a_paused_instance_is_copied_as_it_is_and_stays_paused(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    def copy(_instance: Any, _home: Path, _target: Path, _run: Any, pause: Any, go_on: Any) -> None:
        pause()
        go_on()

    monkeypatch.setattr(images, "flat_copy", copy)
    lab.run.answer("systemctl", "show", by="ActiveState=active\nFreezerState=frozen\n")
    lab.guests.copy_disk(UUID, lab.sockets / "copy")
    assert not any(verb in command for command in lab.run.ran for verb in ("freeze", "thaw"))


def test_a_disk_never_shrinks(lab: Lab) -> None:
    lab.guests.grow_disk(UUID, 100)
    assert not (lab.guests.home(UUID) / "guest/disk").exists()


def test_an_instance_keeps_its_user_when_it_is_defined_again(lab: Lab) -> None:
    before = lab.guests.load(UUID)
    assert lab.guests.make(UUID, "instance-1", 2, 1024, 10) == replace(before, vcpus=2, memory_mb=1024, root_gb=10)
