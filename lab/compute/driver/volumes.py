"""Cinder volumes of the NFS driver: raw or qcow2 files on a mounted share, shown to an instance as raw files by FUSE.

qemu-storage-daemon in between makes every format alike and lets snapshots come and go under a running instance.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from .qmp import Qmp, QmpError
from .state import Volume
from .units import Runner, Units, start_file_view, start_storage_daemon, view_unit, volume_unit

FORMATS = ("raw", "qcow2")
_FILE = re.compile(r"[\w.-]+")


class VolumeError(Exception):
    """The volume cannot be connected; the text says why."""


def read_connection(info: Mapping[str, Any]) -> tuple[str, str, str]:
    """(share, file, format) out of Cinder's connection. Raises VolumeError for what this driver cannot serve."""
    if info.get("driver_volume_type") != "nfs":
        raise VolumeError(f"volumes of type {info.get('driver_volume_type')} are not supported, only those of the NFS driver")
    data = info["data"]
    if data.get("encrypted"):
        raise VolumeError("encrypted volumes are not supported")
    share, name, kind = data["export"], data["name"], data.get("format") or "raw"
    if not _FILE.fullmatch(name) or name.startswith("."):
        raise VolumeError(f"{name!r} is not a file name")
    if kind not in FORMATS:
        raise VolumeError(f"format {kind!r} is not supported")
    return share, name, kind


def merge_job(file_to_merge: str | None, target: str | None) -> str:
    """Name of the job of one merge, by which it is known when it is asked for again."""
    return f"m{hashlib.sha256(f'{file_to_merge} {target}'.encode()).hexdigest()[:20]}"


def _overlay_node(file: str) -> str:
    """Name of the node of an overlay that came while its volume was in use."""
    return f"s{hashlib.sha256(file.encode()).hexdigest()[:20]}"


class Volumes:
    """Connects volumes. state: Nova's state_path; below it mnt/ has the shares, volumes/INSTANCE/ what instances see."""

    def __init__(self, run: Runner, units: Units, state: Path, mounted: Callable[[Path], bool]) -> None:
        self._run = run
        self._units = units
        self._shares = state / "mnt"
        self._shown = state / "volumes"
        self._mounted = mounted
        self._shares_in_use = threading.Lock()

    def folder(self, instance: str) -> Path:
        """Where the volumes of an instance appear; its unit sees this folder and no other."""
        return self._shown / instance

    def prepare(self, instance: str) -> None:
        self.folder(instance).mkdir(parents=True, exist_ok=True)

    def connect(self, info: Mapping[str, Any], instance: str, device: str, user: int) -> Volume:
        """Mount the share, show the volume to `user` of `instance`. Safe to repeat; a failure leaves nothing connected."""
        share, name, kind = read_connection(info)
        volume_id = info["serial"]
        self.prepare(instance)
        path = self.folder(instance) / volume_id
        volume = Volume(volume_id, device, str(path), share, name, kind)
        # What has died, or was left half-way or elsewhere when nova-compute was killed: its units have the names that are needed now.
        if self._places(volume_id) and not (self._mounted(path) and self._is_served(volume_id)):
            self.disconnect(volume_id)
        with self._shares_in_use:  # nobody takes the share away between its mount and the file by which it is in use
            self._mount(share)
            if not self._mounted(path):
                path.touch(mode=0o600)
        if not self._mounted(path):
            try:
                self._show(volume, instance, user)
            except Exception:
                self.disconnect(volume_id)
                raise
        return volume

    def disconnect(self, volume_id: str) -> None:
        """Take the volume away from whoever sees it, and the share when nothing uses it any more."""
        places = self._places(volume_id)
        for unit in (view_unit(volume_id), volume_unit(volume_id)):
            self._units.stop(unit, 20)
        for path in places:
            if self._mounted(path):
                self._run("umount", "--lazy", path)
        for file in (*places, self._control(volume_id), self._data(volume_id), *self._shown.glob(f"{volume_id}.*.done")):
            file.unlink(missing_ok=True)
        with self._shares_in_use:
            self._unmount_unused()

    def forget(self, instance: str) -> None:
        """Remove the folder of an instance, with volumes of which no state tells: nova-compute was killed while it attached them."""
        folder = self.folder(instance)
        if folder.is_dir():
            for left in list(folder.iterdir()):
                self.disconnect(left.name)
            folder.rmdir()

    def snapshot(self, volume: Volume, overlay: str) -> Volume:
        """Write to `overlay`, an empty qcow2 file beside the volume, from now on. Returns the volume with its new file."""
        if not _FILE.fullmatch(overlay):
            raise VolumeError(f"{overlay!r} is not a file name")
        node = _overlay_node(overlay)
        source = self.mount_point(volume.share) / overlay
        with Qmp(self._control(volume.id)) as daemon:
            top = self._top(daemon)
            below = {"driver": "file", "filename": str(source), "discard": "unmap"}
            daemon.ask("blockdev-add", **{"driver": "qcow2", "node-name": node, "backing": None, "discard": "unmap", "file": below})
            try:
                daemon.ask("blockdev-snapshot", node=top, overlay=node)
            except QmpError:
                daemon.ask("blockdev-del", **{"node-name": node})
                raise
        return Volume(volume.id, volume.device, volume.path, volume.share, overlay, "qcow2")

    def merge(self, volume: Volume, file_to_merge: str | None, target: str | None) -> None:
        """Take files out of the chain below a volume in use, as Cinder asks it when a snapshot is deleted.

        With `target`, `file_to_merge` is written down into it. Without, the file that is written to takes over all that
        lies between it and `file_to_merge`; None: the whole chain.
        """
        job = merge_job(file_to_merge, target)
        with Qmp(self._control(volume.id)) as daemon:
            self._end_broken_off(daemon, volume.id)
            if target is not None and self._done(volume.id, job).exists():
                return  # written down, and out of the chain since; a file that takes over may have got more to take since
            top = self._top(daemon)
            arguments: dict[str, object] = {"device": top, "job-id": job, "auto-dismiss": False}
            if target is None:
                base = {"base-node": self._node(daemon, volume, file_to_merge)} if file_to_merge else {}
                daemon.ask("block-stream", **arguments, **base)
            else:
                upper, lower = (self._node(daemon, volume, name) for name in (file_to_merge or volume.file, target))
                daemon.ask("block-commit", **arguments, **{"top-node": upper, "base-node": lower})
            daemon.await_job(job)

    def mount_point(self, share: str) -> Path:
        return self._shares / hashlib.sha256(share.encode()).hexdigest()[:32]

    def _end_broken_off(self, daemon: Qmp, volume_id: str) -> None:
        """Wait for jobs that a nova-compute which was killed has left: they keep others out. Those that succeed are noted.

        They may be asked for again, and not only next.
        """
        for entry in daemon.ask("query-jobs"):
            with contextlib.suppress(QmpError):
                daemon.await_job(entry["id"])
                self._done(volume_id, entry["id"]).touch()

    def _places(self, volume_id: str) -> list[Path]:
        """Where the volume is shown; found by name, as a file whose daemon has died answers every question with an error."""
        return [path for folder in self._shown.glob("*") if folder.is_dir() for path in folder.iterdir() if path.name == volume_id]

    def _control(self, volume_id: str) -> Path:
        return self._shown / f"{volume_id}.qmp"

    def _data(self, volume_id: str) -> Path:
        return self._shown / f"{volume_id}.nbd"

    def _done(self, volume_id: str, job: str) -> Path:
        """File that is there when a merge has succeeded of which Cinder has not been told."""
        return self._shown / f"{volume_id}.{job}.done"

    @staticmethod
    def _top(daemon: Qmp) -> str:
        return str(daemon.ask("query-block-exports")[0]["node-name"])

    def _node(self, daemon: Qmp, volume: Volume, name: str) -> str:
        """The node that reads the format of file `name` in the volume's chain."""
        wanted = str(self.mount_point(volume.share) / name)
        for node in daemon.ask("query-named-block-nodes"):
            # QEMU has no plain file name for an overlay that came while the volume was in use, nor for one above it.
            if node["node-name"] == _overlay_node(name) or (node["file"] == wanted and node["drv"] in FORMATS):
                return str(node["node-name"])
        raise VolumeError(f"{name} is not in the chain of volume {volume.id}")

    def _mount(self, share: str) -> None:
        point = self.mount_point(share)
        point.mkdir(parents=True, exist_ok=True)
        if not self._mounted(point):
            self._run("mount", "-t", "nfs", share, point)

    def _show(self, volume: Volume, instance: str, user: int) -> None:
        path, source = Path(volume.path), self.mount_point(volume.share) / volume.file
        if source.is_symlink() or not source.is_file():
            raise VolumeError(f"{source} is not a file")
        serve = start_storage_daemon(volume.id, instance, source, volume.format, self._data(volume.id), self._control(volume.id))
        self._units.start(serve, volume_unit(volume.id))
        self._units.start(start_file_view(volume.id, instance, self._data(volume.id), path), view_unit(volume.id))
        deadline = time.monotonic() + 15
        while not self._mounted(path):
            if time.monotonic() > deadline or not self._units.status(view_unit(volume.id)).running:
                raise VolumeError(f"the storage daemon did not show {source}; see journalctl -u {volume_unit(volume.id)}")
            time.sleep(0.05)
        os.chown(path, user, user)

    def _is_served(self, volume_id: str) -> bool:
        """Whether both daemons run: one that has died leaves the mount, in which nothing can be read."""
        return all(self._units.status(unit).running for unit in (view_unit(volume_id), volume_unit(volume_id)))

    def _unmount_unused(self) -> None:
        """Unmount every share when no volume is shown any more."""
        if any(folder.is_dir() and any(folder.iterdir()) for folder in self._shown.glob("*")):
            return
        for point in self._shares.glob("*"):
            deadline = time.monotonic() + 3  # a storage daemon may still be on its way out
            while self._mounted(point) and time.monotonic() < deadline:
                self._run("umount", point, ok=(0, 32))
                if self._mounted(point):
                    time.sleep(0.1)
            if not self._mounted(point):
                point.rmdir()
