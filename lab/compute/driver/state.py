"""What the driver remembers of an instance, one JSON file each, beside its disks."""

from __future__ import annotations

import contextlib
import json
import os
import uuid as uuids
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

# Every instance has a user number of its own, above what systemd, adduser and container managers hand out: one that breaks
# out of its guest finds nothing that belongs to it, and nothing of its neighbours.
FIRST_USER = 1_879_100_000
IMAGE_USER = FIRST_USER  # reads and converts images: their content is nobody's
LAST_USER = 1_879_199_999
FILE = "state.json"


@dataclass(frozen=True)
class Volume:
    """A Cinder volume. device: /dev/vdX. path: the file that shows its content raw. share, file, format: where it lies."""

    id: str
    device: str
    path: str
    share: str
    file: str
    format: str

    @property
    def unit(self) -> int:
        """Disk number: 1 for /dev/vdb."""
        return ord(self.device[-1]) - ord("a")


@dataclass(frozen=True)
class Nic:
    """A Neutron port. index: of the guest's interface vecN."""

    port: str
    index: int
    mac: str
    mtu: int

    @property
    def tap(self) -> str:
        return f"tap{self.port[:11]}"


@dataclass(frozen=True)
class Instance:
    """user: number of the user that it runs as. memory in MiB, disk in GB. base: file below its copy-on-write disk.

    root_volume: id of the volume that it boots from, None for a local disk. partition: number of the one that holds /,
    "" for a disk without partitions.
    """

    uuid: str
    name: str
    user: int
    vcpus: int
    memory_mb: int
    root_gb: int
    cpus: tuple[int, ...] = ()
    base: str | None = None
    root_volume: str | None = None
    partition: str = ""
    volumes: tuple[Volume, ...] = ()
    nics: tuple[Nic, ...] = ()

    def with_volume(self, volume: Volume) -> Instance:
        return replace(self, volumes=(*(v for v in self.volumes if v.id != volume.id), volume))

    def without_volume(self, volume_id: str) -> Instance:
        return replace(self, volumes=tuple(v for v in self.volumes if v.id != volume_id))

    def with_nic(self, port: str, mac: str, mtu: int) -> Instance:
        """Add a port on the lowest free index; a known port keeps its index."""
        known = next((nic.index for nic in self.nics if nic.port == port), None)
        others = tuple(nic for nic in self.nics if nic.port != port)
        taken = {nic.index for nic in others}
        index = known if known is not None else next(n for n in range(len(taken) + 1) if n not in taken)
        return replace(self, nics=tuple(sorted((*others, Nic(port, index, mac, mtu)), key=lambda nic: nic.index)))

    def without_nic(self, port: str) -> Instance:
        return replace(self, nics=tuple(nic for nic in self.nics if nic.port != port))

    def volume(self, volume_id: str) -> Volume | None:
        return next((v for v in self.volumes if v.id == volume_id), None)

    def nic(self, port: str) -> Nic | None:
        return next((n for n in self.nics if n.port == port), None)


class Store:
    """The state files below Nova's instances_path."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def home(self, uuid: str) -> Path:
        """The folder of an instance. Raises ValueError for anything that is not a UUID: the name becomes a path."""
        return self.root / str(uuids.UUID(uuid))

    def load(self, uuid: str) -> Instance | None:
        try:
            data: dict[str, Any] = json.loads((self.home(uuid) / FILE).read_text())
        except FileNotFoundError:
            return None
        data["volumes"] = tuple(Volume(**volume) for volume in data["volumes"])
        data["nics"] = tuple(Nic(**nic) for nic in data["nics"])
        data["cpus"] = tuple(data["cpus"])
        return Instance(**data)

    def save(self, instance: Instance) -> Instance:
        """Write in one step: a reader, or a restart after a crash, sees the old or the new content."""
        home = self.home(instance.uuid)
        home.mkdir(mode=0o755, parents=True, exist_ok=True)
        part = home / f"{FILE}.part"
        handle = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(handle, "w") as stream:
            json.dump(asdict(instance), stream)
        part.rename(home / FILE)
        return instance

    def all(self) -> Iterator[Instance]:
        """Every instance that has a state file."""
        with contextlib.suppress(FileNotFoundError):
            for home in sorted(self.root.iterdir()):
                if (home / FILE).exists():
                    instance = self.load(home.name)
                    if instance:
                        yield instance

    def free_user(self) -> int:
        """The lowest user number that no instance has. Raises RuntimeError when all are taken."""
        taken = {instance.user for instance in self.all()}
        for number in range(IMAGE_USER + 1, LAST_USER + 1):
            if number not in taken:
                return number
        raise RuntimeError("no free user number for another instance")
