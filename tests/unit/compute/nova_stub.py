"""What the driver calls of Nova, which is not installed where unit tests run; it is there for one test and then gone again."""

from __future__ import annotations

import contextlib
import importlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

DRIVER = "lab.compute.driver"
OURS = ("driver", "downloads")  # modules that hold on to the stub once they are imported
NAMES = (
    "DeviceDetachFailed", "DiskNotFound", "FlavorDiskSmallerThanImage", "ImageUnacceptable", "InstanceFaultRollback", "InstanceNotFound",
    "InstanceNotReady", "InstanceNotRunning", "InterfaceAttachFailed", "InterfaceDetachFailed", "InternalError", "InvalidBDMEphemeralSize",
    "InvalidBDMSwapSize", "InvalidInput", "InvalidVolume", "MigrationError", "ResizeError", "SnapshotNotFound",
    "VirtualInterfaceCreateException", "VirtualInterfacePlugException", "VolumeAttachFailed",
)  # fmt: skip


class NovaException(Exception):
    def __init__(self, message: object = "", **said: object) -> None:
        super().__init__(message, said)


exception = ModuleType("nova.exception")
for each in NAMES:
    setattr(exception, each, type(each, (NovaException,), {}))


class ProcessExecutionError(Exception): ...


class Timeout(BaseException):
    """Eventlet's: as there, no Exception."""


class LoopingCallDone(Exception): ...


class LoopingCall:
    """Calls as often as somebody waits for it, without a pause."""

    def __init__(self, act: Callable[[], None]) -> None:
        self._act = act

    def start(self, **_: Any) -> LoopingCall:
        return self

    def wait(self) -> None:
        with contextlib.suppress(LoopingCallDone):
            while True:
                self._act()


class ComputeDriver:
    capabilities: dict[str, bool] = {}  # noqa: RUF012 - Nova has it so

    def __init__(self, virtapi: Any) -> None:
        self.virtapi = virtapi
        self.events: list[tuple[str, str]] = []

    def emit_event(self, event: tuple[str, str]) -> None:
        self.events.append(event)


class Bridge(dict[str, str]):
    """A port's network: a mapping with a method."""

    def get_meta(self, _: str) -> int:
        return 1442


def vif(kind: str = "ovs") -> dict[str, Any]:
    """A port as Nova hands it over."""
    port = {"id": "12345678-9abc-def0-1234-56789abcdef0", "address": "fa:16:3e:00:00:01"}
    return {**port, "type": kind, "active": False, "network": Bridge(bridge="br-int")}


class Nova:
    """Nova and its neighbours as the driver sees them, for one test.

    images: Glance's, id -> (format, content), an error as content for one that comes half. ports: what Neutron says of them.
    told: states of snapshots that Cinder heard. states: what Cinder says of a snapshot at each look. done: other calls, in order.
    """

    def __init__(self, root: Path, execute: Callable[..., tuple[str, str]]) -> None:
        self.images: dict[str, tuple[str, bytes | Exception]] = {}
        self.ports = "work"
        self.told: list[str] = []
        self.states: Iterator[str] = iter(("creating", "available"))
        self.done: list[str] = []
        self.uploaded = b""
        self._execute = execute
        self._locked: set[str] = set()
        self.conf = SimpleNamespace(
            instances_path=root / "i", state_path=root, host="node", my_ip="192.0.2.1", vif_plugging_timeout=300, vif_plugging_is_fatal=True
        )

    @contextlib.contextmanager
    def _lock(self, name: str) -> Iterator[None]:
        assert name not in self._locked, f"{name} would wait for itself"
        self._locked.add(name)
        try:
            yield
        finally:
            self._locked.discard(name)

    @contextlib.contextmanager
    def wait_for_instance_event(self, instance: Any, events: list[Any], *, deadline: int, error_callback: Any) -> Iterator[None]:
        yield
        if events and self.ports == "silent":
            raise Timeout
        if events and self.ports == "failed":
            error_callback("network-vif-plugged", instance)

    def _fetch(self, _: Any, image_id: str, path: str) -> None:
        self.done.append(f"fetch {image_id}")
        content = self.images[image_id][1]
        Path(path).write_bytes(b"half" if isinstance(content, Exception) else content)
        if isinstance(content, Exception):
            raise content

    def _upload(self, _: Any, image_id: str, properties: Any, stream: Any) -> None:
        self.uploaded = stream.read()

    def _modules(self) -> dict[str, dict[str, Any]]:
        cinder = SimpleNamespace(
            update_snapshot_status=lambda _, snapshot, status: self.told.append(status),
            get_snapshot=lambda *_: {"status": next(self.states)},
        )
        volume = SimpleNamespace(refresh_connection_info=lambda *_: self.done.append("refresh"))
        builder = SimpleNamespace(make_drive=lambda path: Path(path).write_text("drive"))
        loops = ("FixedIntervalLoopingCall", "FixedIntervalWithTimeoutLoopingCall")
        return {
            "eventlet.timeout": {"Timeout": Timeout},
            "nova.api.metadata.base": {"InstanceMetadata": lambda *_, **__: None},
            "nova.compute.power_state": {"RUNNING": "running", "PAUSED": "paused", "SHUTDOWN": "shutdown"},
            "nova.compute.task_states": {"IMAGE_PENDING_UPLOAD": "pending", "IMAGE_UPLOADING": "uploading"},
            "nova.compute.utils": {},
            "nova.conf": {"CONF": self.conf},
            "nova.exception": vars(exception),
            "nova.image.glance": {"API": lambda: SimpleNamespace(update=self._upload)},
            "nova.objects": {"BlockDeviceMapping": SimpleNamespace(get_by_volume_and_instance=lambda *_: None)},
            "nova.objects.fields": {},
            "nova.utils": {"tpool_execute": lambda act, *words: act(*words)},
            "nova.virt.block_device": {"convert_volume": lambda _: volume},
            "nova.virt.configdrive": {"required_by": lambda _: True, "ConfigDriveBuilder": lambda **_: contextlib.nullcontext(builder)},
            "nova.virt.driver": {
                "ComputeDriver": ComputeDriver,
                "block_device_info_get_swap": lambda info: (info or {}).get("swap") or {"device_name": None, "swap_size": 0},
                "block_device_info_get_ephemerals": lambda info: (info or {}).get("ephemerals") or [],
                "block_device_info_get_mapping": lambda info: (info or {}).get("block_device_mapping") or [],
                "swap_is_usable": lambda swap: swap["device_name"] and swap["swap_size"] > 0,
            },
            "nova.virt.event": {"LifecycleEvent": lambda uuid, kind: (uuid, kind), "EVENT_LIFECYCLE_STOPPED": "stopped"},
            "nova.virt.hardware": {"InstanceInfo": SimpleNamespace},
            "nova.virt.images": {
                "get_info": lambda _, image_id: {"disk_format": self.images[image_id][0]},
                "fetch": self._fetch,
                "do_image_deep_inspection": lambda meta, *_: meta["disk_format"],  # one that a hostile image has got past
            },
            "nova.volume.cinder": {"API": lambda: cinder},
            "os_resource_classes": {},
            "oslo_concurrency.lockutils": {"lock": self._lock},
            "oslo_concurrency.processutils": {"execute": self._execute, "ProcessExecutionError": ProcessExecutionError},
            "oslo_service.loopingcall": {
                **dict.fromkeys(loops, LoopingCall), "LoopingCallDone": LoopingCallDone, "LoopingCallTimeOut": TimeoutError
            },
        }  # fmt: skip

    @contextlib.contextmanager
    def driver(self) -> Iterator[Any]:
        """The driver's module, imported over this Nova."""
        with pytest.MonkeyPatch.context() as patch:
            for name, content in self._modules().items():
                _place(patch, name).__dict__.update(content)
            try:
                yield importlib.import_module(f"{DRIVER}.driver")
            finally:
                for name in OURS:
                    sys.modules.pop(f"{DRIVER}.{name}", None)
                    vars(sys.modules[DRIVER]).pop(name, None)


def _place(patch: pytest.MonkeyPatch, name: str) -> ModuleType:
    """An empty module of that name, in the packages that it is in."""
    made = ModuleType(name)
    patch.setitem(sys.modules, name, made)
    above, _, last = name.rpartition(".")
    if above:
        setattr(sys.modules[above] if above in sys.modules else _place(patch, above), last, made)
    return made
