"""Instances as files, units, devices and volumes of the machine; knows nothing of Nova."""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from . import cpus, images, kernel, mconsole
from .network import Network
from .state import Instance, Nic, Store, Volume
from .units import RUN, Runner, Status, Units, instance_unit, start_instance, unprivileged
from .volumes import Volumes

CONFIG_DRIVE = "disk.config"
BEFORE_RESIZE = "before-resize"
LOOK_SECONDS = 60  # for a look at the partitions of a disk
HELD = "held"  # file beside the disks of an instance that stands still while it is copied


@dataclass(frozen=True)
class Port:
    """A port as it shall be plugged. bridge: Open vSwitch's. mtu in bytes."""

    id: str
    mac: str
    mtu: int
    bridge: str


class Guests:
    """All instances of this machine. Callers hold a lock per instance."""

    def __init__(self, store: Store, units: Units, network: Network, volumes: Volumes, run: Runner, sockets: Path = RUN) -> None:
        self.store = store
        self.units = units
        self.network = network
        self.volumes = volumes
        self._run = run
        self._sockets = sockets

    # -- what there is ------------------------------------------------------------------------------------

    def home(self, uuid: str) -> Path:
        return self.store.home(uuid)

    def load(self, uuid: str) -> Instance:
        """Raises KeyError when this machine has no such instance."""
        instance = self.store.load(uuid)
        if instance is None:
            raise KeyError(uuid)
        return instance

    def status(self, uuid: str) -> Status:
        return self.units.status(instance_unit(uuid))

    # -- making and removing ------------------------------------------------------------------------------

    def make(self, uuid: str, name: str, vcpus: int, memory_mb: int, root_gb: int) -> Instance:
        """A new instance without disks; one that is there keeps its user and gets the new size."""
        known = self.store.load(uuid)
        user = known.user if known else self.store.free_user()
        instance = replace(known, vcpus=vcpus, memory_mb=memory_mb, root_gb=root_gb) if known else None
        instance = self.store.save(instance or Instance(uuid, name, user, vcpus, memory_mb, root_gb))
        guest = self.home(uuid) / "guest"
        guest.mkdir(mode=0o700, exist_ok=True)
        self.give(guest, user)
        return instance

    def set_base(self, uuid: str, base: Path) -> None:
        """The local disk stands on `base`: what the instance writes goes to a file of its own."""
        self.store.save(replace(self.load(uuid), base=str(base)))

    @staticmethod
    def give(path: Path, user: int) -> None:
        """Make a file the instance's own; never through a link that its process may have put there."""
        os.chown(path, user, user, follow_symlinks=False)

    def remove(self, uuid: str) -> None:
        """Everything of the instance that is not Neutron's or Cinder's; nothing to do when it is gone."""
        instance = self.store.load(uuid)
        if instance:
            for volume in instance.volumes:
                self.volumes.disconnect(volume.id)
            for nic in instance.nics:
                self.network.unplug(nic.port)
        self.volumes.forget(uuid)
        shutil.rmtree(self._sockets / uuid, ignore_errors=True)
        shutil.rmtree(self.home(uuid), ignore_errors=True)

    # -- running ------------------------------------------------------------------------------------------

    def start(self, uuid: str, available_cpus: Sequence[int]) -> None:
        """Start the instance with the disks and ports that are connected; nothing to do when it runs."""
        if self.status(uuid).running:
            return
        instance = self.load(uuid)
        partition = self._root_partition(instance)
        others = [other.cpus for other in self.store.all() if other.uuid != uuid]  # only now: some may have been started meanwhile
        instance = self.store.save(replace(instance, cpus=cpus.plan(instance.vcpus, available_cpus, others), partition=partition))
        run = self._sockets / uuid
        run.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.give(run, instance.user)
        self.volumes.prepare(uuid)
        self.write_arguments(instance)
        self.units.start(start_instance(instance, self.home(uuid), self.volumes.folder(uuid)), instance_unit(uuid))

    def stop(self, uuid: str, seconds: int) -> None:
        """Ask it to shut down, wait up to `seconds`, end what is left."""
        self.units.stop(instance_unit(uuid), seconds)
        self.release_cpus(uuid)

    def release_cpus(self, uuid: str) -> None:
        """An instance that does not run counts for no processor."""
        instance = self.store.load(uuid)
        if instance and instance.cpus:
            self.store.save(replace(instance, cpus=()))

    def write_arguments(self, instance: Instance) -> None:
        """What the next start, also one after a reboot inside, reads."""
        home = self.home(instance.uuid)
        drive = home / CONFIG_DRIVE
        disk, changes = self._root_disk(instance)
        words = kernel.arguments(
            instance, disk=disk, cow=changes, config_drive=drive if drive.exists() else None, run=self._sockets / instance.uuid
        )
        part = home / "args.part"
        part.write_text("\n".join(words) + "\n")
        part.chmod(0o644)
        part.rename(home / "args")

    def ask(self, uuid: str, command: str) -> str:
        """A command to the instance's kernel. Raises mconsole.ConsoleError, KeyError when there is no such instance."""
        return mconsole.ask(self._sockets / uuid / "guest" / "mconsole", command, self.load(uuid).user)

    def _root_disk(self, instance: Instance) -> tuple[Path, Path | None]:
        """(raw disk or base, copy-on-write file or None)."""
        root = instance.volume(instance.root_volume) if instance.root_volume else None
        if root:
            return Path(root.path), None
        plain = self.home(instance.uuid) / images.DISK
        if plain.exists():
            return plain, None
        if instance.base is None:
            raise ValueError("the instance has no root disk")
        return Path(instance.base), self.home(instance.uuid) / images.COW

    def _root_partition(self, instance: Instance) -> str:
        """No boot loader reads the disk: / is its biggest partition, or the whole of it. Read by the instance's own user."""
        disk, _ = self._root_disk(instance)
        # The guest's process may have put a pipe in the place of its disk, which never opens: nobody could even delete the instance.
        look = ("timeout", "--signal=KILL", LOOK_SECONDS, *unprivileged(instance.user), "sfdisk", "--json", disk)
        return biggest_partition(self._run(*look, ok=(0, 1)))

    # -- ports --------------------------------------------------------------------------------------------

    def plug(self, uuid: str, port: Port) -> Nic:
        """Make the port's device and remember it. The running kernel is not told."""
        instance = self.store.save(self.load(uuid).with_nic(port.id, port.mac, port.mtu))
        nic = instance.nic(port.id)
        assert nic is not None  # noqa: S101 - just added
        self.network.plug(nic, instance.user, port.bridge, uuid)
        return nic

    def unplug(self, uuid: str, port: str) -> None:
        self.network.unplug(port)
        instance = self.store.load(uuid)
        if instance:
            self.store.save(instance.without_nic(port))

    def attach_port(self, uuid: str, port: Port) -> None:
        """Plug, and tell the kernel if it runs. Raises mconsole.ConsoleError; nothing stays plugged then."""
        nic = self.plug(uuid, port)
        try:
            if self.status(uuid).running:
                self.ask(uuid, f"config {kernel.nic_argument(nic)}")
        except mconsole.ConsoleError:
            self.unplug(uuid, port.id)
            raise
        self.write_arguments(self.load(uuid))

    def detach_port(self, uuid: str, port: str) -> None:
        """Raises mconsole.ConsoleError when the running kernel keeps the device; it then stays."""
        nic = self.load(uuid).nic(port)
        if nic and self.status(uuid).running:
            self.ask(uuid, f"remove {kernel.nic_name(nic)}")
        self.unplug(uuid, port)
        self.write_arguments(self.load(uuid))

    # -- volumes ------------------------------------------------------------------------------------------

    def connect_volume(self, uuid: str, info: dict[str, Any], device: str, *, root: bool = False) -> Volume:
        """Show the volume to the instance and remember it. The running kernel is not told."""
        instance = self.load(uuid)
        volume = self.volumes.connect(info, uuid, device, instance.user)
        if not root:
            try:
                kernel.volume_argument(volume)
            except ValueError:
                self.volumes.disconnect(volume.id)
                raise
        changed = instance.with_volume(volume)
        self.store.save(replace(changed, root_volume=volume.id) if root else changed)
        return volume

    def attach_volume(self, uuid: str, info: dict[str, Any], device: str) -> None:
        """Connect, and tell the kernel if it runs. Raises mconsole.ConsoleError; nothing stays connected then."""
        volume = self.connect_volume(uuid, info, device)
        try:
            if self.status(uuid).running:
                self.ask(uuid, f"config {kernel.volume_argument(volume)}")
        except mconsole.ConsoleError:
            self.forget_volume(uuid, volume.id)
            raise
        self.write_arguments(self.load(uuid))

    def detach_volume(self, uuid: str, volume_id: str) -> None:
        """Raises KeyError for a volume that is not there, mconsole.ConsoleError when the guest still uses it."""
        volume = self.load(uuid).volume(volume_id)
        if volume is None:
            raise KeyError(volume_id)
        if self.status(uuid).running:
            self.ask(uuid, f"remove {kernel.volume_name(volume)}")
        self.forget_volume(uuid, volume_id)
        self.write_arguments(self.load(uuid))

    def replace_volume(self, uuid: str, volume: Volume) -> None:
        """The volume's content lies in another file from now on."""
        self.store.save(self.load(uuid).with_volume(volume))

    def forget_volume(self, uuid: str, volume_id: str) -> None:
        """Disconnect a volume that the kernel does not, or no longer, know."""
        instance = self.load(uuid)
        volume = instance.volume(volume_id)
        if volume:
            self.store.save(instance.without_volume(volume_id))
            self.volumes.disconnect(volume.id)

    # -- local disk ---------------------------------------------------------------------------------------

    def grow_disk(self, uuid: str, size: int) -> None:
        """Make the local disk a plain one of `size` bytes; the old one is kept until the resize is confirmed."""
        instance, home = self.load(uuid), self.home(uuid)
        plain, changes = home / images.DISK, home / images.COW
        if size <= self._root_disk(instance)[0].stat().st_size:
            return
        part = home / "resized.part"
        try:
            images.flat_copy(instance, home, part, self._run, lambda: None, lambda: None)
            os.truncate(part, size)
            self.give(part, instance.user)
        except BaseException:
            part.unlink(missing_ok=True)
            raise
        self._forget_kept(uuid)  # of a resize that failed, was never taken back, and on whose disk the instance has run since
        for file in (plain, changes):
            if file.exists():
                file.rename(home / f"{BEFORE_RESIZE}.{file.name}")
        part.rename(plain)

    def keep_resized(self, uuid: str) -> None:
        """The resize is confirmed: what was kept of the old disk goes."""
        self._forget_kept(uuid)
        if (self.home(uuid) / images.DISK).exists():
            self.store.save(replace(self.load(uuid), base=None))

    def _forget_kept(self, uuid: str) -> None:
        for kept in self.home(uuid).glob(f"{BEFORE_RESIZE}.*"):
            kept.unlink()

    def undo_resize(self, uuid: str) -> None:
        """The resize is taken back: the disk is again what it was before."""
        for kept in self.home(uuid).glob(f"{BEFORE_RESIZE}.*"):
            (self.home(uuid) / images.DISK).unlink(missing_ok=True)
            kept.rename(self.home(uuid) / "guest" / kept.name.removeprefix(f"{BEFORE_RESIZE}."))

    def copy_disk(self, uuid: str, target: Path) -> None:
        """The local disk as it is now, raw; a running instance stands still only while its changes are copied."""
        unit = instance_unit(uuid)
        status = self.units.status(unit)
        hold = status.running and not status.frozen
        if hold:
            self.ask(uuid, "sysrq s")  # what is not yet on the disk gets there as far as the guest's kernel is willing

        def pause() -> None:
            if hold:
                (self.home(uuid) / HELD).touch()
                self.units.freeze(unit)

        def go_on() -> None:
            if hold:
                self.let_go(uuid)

        images.flat_copy(self.load(uuid), self.home(uuid), target, self._run, pause, go_on)

    def let_go(self, uuid: str) -> None:
        """Let an instance run on that is held for a copy, also one that ended half-way with its program; no other is touched."""
        held = self.home(uuid) / HELD
        if held.exists():
            if self.status(uuid).frozen:
                self.units.thaw(instance_unit(uuid))
            held.unlink()


def each(instances: Iterable[Instance], act: Callable[[Instance], None], failed: Callable[[Instance], None]) -> None:
    """Act on every instance; `failed` hears, while the error is at hand, of one with which that went wrong, and the next has its turn."""
    for instance in instances:
        try:
            act(instance)
        except Exception:
            failed(instance)


def biggest_partition(table: str) -> str:
    """Number of the biggest partition in sfdisk's JSON; "" when there is no table."""
    try:
        parts = json.loads(table)["partitiontable"]["partitions"]
        node = max(parts, key=lambda part: int(part["size"]))["node"]
    except (ValueError, KeyError, TypeError):
        return ""
    match = re.search(r"\d+$", node)
    return match.group() if match else ""
