"""What Nova calls: its objects on one side, guests, images and units on the other."""

from __future__ import annotations

import contextlib
import os
import shutil
import stat
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import eventlet.timeout
import nova.conf
import os_resource_classes as orc
from nova import exception, objects, utils
from nova.api.metadata import base as instance_metadata
from nova.compute import power_state, task_states
from nova.compute import utils as compute_utils
from nova.image import glance
from nova.objects import fields
from nova.virt import block_device as driver_block_device
from nova.virt import configdrive, driver, hardware
from nova.virt import event as virtevent
from nova.volume import cinder
from oslo_concurrency import lockutils, processutils
from oslo_log import log as logging
from oslo_serialization import jsonutils
from oslo_service import loopingcall

from . import cow, downloads, guests, host, images, mconsole
from .network import FIREWALL, Network
from .qmp import QmpError
from .state import Instance, Store
from .units import Units, instance_unit
from .volumes import VolumeError, Volumes

CONF = nova.conf.CONF
LOG = logging.getLogger(__name__)
POLL_SECONDS = 5
SOFT_REBOOT_SECONDS = 40
CONSOLE_BYTES = 100 * 1024
GIB = 1 << 30
# A node of our own: the usual /dev/net/tun belongs to root, and instances are not root.
TUN = Path("/dev/uml-tun")
FUSE = Path("/dev/fuse")


def run(*words: object, ok: Sequence[int] = (0,), **options: Any) -> str:
    """Run a program without blocking the other green threads; raises ProcessExecutionError."""
    return str(processutils.execute(*(str(word) for word in words), check_exit_code=list(ok), **options)[0])


class UMLDriver(driver.ComputeDriver):  # type: ignore[misc]
    """Instances as User Mode Linux processes of this machine."""

    capabilities = {  # noqa: RUF012 - the base class has it so
        **driver.ComputeDriver.capabilities,
        "has_imagecache": True,
        "supports_attach_interface": True,
        "supports_migrate_to_same_host": True,
        "supports_image_type_raw": True,
        "supports_image_type_qcow2": True,
    }

    def __init__(self, virtapi: Any) -> None:
        super().__init__(virtapi)
        root = Path(CONF.instances_path)
        units = Units(run)
        volumes = Volumes(run, units, Path(CONF.state_path), host.is_mounted)
        self.guests = guests.Guests(Store(root), units, Network(run), volumes, run)
        self.bases = images.BaseCache(root / "_base", run)
        self._work = root / "_work"
        self._running: set[str] = set()
        self._busy: set[str] = set()
        self._host = CONF.host

    # -- this machine -------------------------------------------------------------------------------------

    def init_host(self, host: str) -> None:  # noqa: ARG002 - always CONF.host
        for node, number in ((TUN, os.makedev(10, 200)), (FUSE, os.makedev(10, 229))):
            if not node.exists():  # a container is born with few devices
                os.mknod(node, stat.S_IFCHR | 0o666, number)
                node.chmod(0o666)
        run("nft", "-f", "-", process_input=FIREWALL)
        shutil.rmtree(self._work, ignore_errors=True)  # what is left of a download or snapshot that ended with the last run
        self._work.mkdir(parents=True, exist_ok=True)
        images.let_pass(self._work)
        guests.each(self.guests.store.all(), lambda i: self.guests.let_go(i.uuid), lambda i: LOG.exception("%s stays held", i.uuid))
        self._running = {i.uuid for i in self.guests.store.all() if self.guests.status(i.uuid).running}
        loopingcall.FixedIntervalLoopingCall(self._poll).start(interval=POLL_SECONDS, stop_on_exception=False)

    def _poll(self) -> None:
        """Tell Nova of instances that have ended by themselves, and keep console logs from filling the disk."""
        guests.each(self.guests.store.all(), self._poll_one, lambda i: LOG.exception("Instance %s could not be looked after", i.uuid))
        self._running &= {i.uuid for i in self.guests.store.all()}

    def _poll_one(self, instance: Instance) -> None:
        uuid = instance.uuid
        images.bound_console(self.guests.home(uuid) / "console.log")
        if uuid in self._busy:
            return
        # The unit's group of processes is there as long as it runs; asking systemd each time would cost a process.
        if Path(f"/sys/fs/cgroup/machine.slice/{instance_unit(uuid)}").exists() or self.guests.status(uuid).running:
            self._running.add(uuid)
        elif uuid in self._running and not self.guests.units.machine_is_stopping():
            self.guests.release_cpus(uuid)
            self.emit_event(virtevent.LifecycleEvent(uuid, virtevent.EVENT_LIFECYCLE_STOPPED))
            self._running.discard(uuid)  # last: what fails before is tried again

    def get_available_nodes(self, refresh: bool = False) -> list[str]:  # noqa: ARG002
        return [self._host]

    def get_available_resource(self, nodename: str) -> dict[str, Any]:
        have = host.totals(Path(CONF.instances_path))
        used = host.used(self.guests.store.all())
        architecture = fields.Architecture.from_host()
        kinds = (
            (fields.HVType.UML, fields.VMMode.UML),
            # Images made for the usual hypervisors run here as well: the kernel is ours.
            (fields.HVType.KVM, fields.VMMode.HVM),
            (fields.HVType.QEMU, fields.VMMode.HVM),
        )
        topology = {"sockets": 1, "cores": have.vcpus, "threads": 1}
        return {
            "vcpus": have.vcpus,
            "memory_mb": have.memory_mb,
            "local_gb": have.local_gb,
            "vcpus_used": used.vcpus,
            "memory_mb_used": used.memory_mb,
            "local_gb_used": used.local_gb,
            "hypervisor_type": fields.HVType.UML,
            "hypervisor_version": 1,
            "hypervisor_hostname": nodename,
            "disk_available_least": have.free_gb,
            "numa_topology": None,
            "cpu_info": jsonutils.dumps({"arch": architecture, "topology": topology}),
            "supported_instances": [(architecture, kind, mode) for kind, mode in kinds],
        }

    def update_provider_tree(self, provider_tree: Any, nodename: str, allocations: Any = None) -> None:  # noqa: ARG002
        have = host.totals(Path(CONF.instances_path))
        ratios = self._get_allocation_ratios(provider_tree.data(nodename).inventory)

        def inventory(kind: str, total: int, reserved: int) -> dict[str, Any]:
            # max_unit: one instance may be promised more than the machine has, as many together are
            return {
                "total": total, "reserved": reserved, "min_unit": 1, "max_unit": max(1, int(total * ratios[kind])), "step_size": 1,
                "allocation_ratio": ratios[kind],
            }  # fmt: skip

        provider_tree.update_inventory(
            nodename,
            {
                orc.VCPU: inventory(orc.VCPU, have.vcpus, CONF.reserved_host_cpus),
                orc.MEMORY_MB: inventory(orc.MEMORY_MB, have.memory_mb, CONF.reserved_host_memory_mb),
                orc.DISK_GB: inventory(orc.DISK_GB, have.local_gb, self._get_reserved_host_disk_gb_from_config()),
            },
        )

    def get_host_ip_addr(self) -> str:
        return str(CONF.my_ip)

    def get_host_uptime(self) -> str:
        return run("uptime")

    def get_volume_connector(self, instance: Any) -> dict[str, Any]:  # noqa: ARG002
        return {"ip": CONF.my_block_storage_ip, "host": CONF.host, "initiator": None, "platform": "x86_64", "os_type": "linux"}

    # -- what there is ------------------------------------------------------------------------------------

    def list_instance_uuids(self) -> list[str]:
        return [instance.uuid for instance in self.guests.store.all()]

    def list_instances(self) -> list[str]:
        return [instance.name for instance in self.guests.store.all()]

    def instance_exists(self, instance: Any) -> bool:
        return self.guests.store.load(instance.uuid) is not None

    def instance_on_disk(self, instance: Any) -> bool:
        return self.instance_exists(instance)

    def get_info(self, instance: Any, use_cache: bool = True) -> Any:  # noqa: ARG002
        if not self.instance_exists(instance):
            raise exception.InstanceNotFound(instance_id=instance.uuid)
        status = self.guests.status(instance.uuid)
        if not status.running:
            return hardware.InstanceInfo(state=power_state.SHUTDOWN)
        return hardware.InstanceInfo(state=power_state.PAUSED if status.frozen else power_state.RUNNING)

    def get_console_output(self, context: Any, instance: Any) -> bytes:  # noqa: ARG002
        return images.tail(self.guests.home(instance.uuid) / "console.log", CONSOLE_BYTES)

    # -- life ---------------------------------------------------------------------------------------------

    def spawn(
        self, context: Any, instance: Any, image_meta: Any, injected_files: Any, admin_password: str | None, allocations: Any,  # noqa: ARG002
        network_info: Any = None, block_device_info: Any = None, power_on: bool = True, accel_info: Any = None,  # noqa: ARG002
    ) -> None:  # fmt: skip
        _refuse_unsupported(block_device_info)
        try:
            with self._working(instance):
                self._define(instance)
                if not _root_volume(block_device_info):
                    self._give_base(context, instance, str(image_meta.id))
                self._write_config_drive(instance, injected_files, admin_password, network_info)
            waiting = [("network-vif-plugged", vif["id"]) for vif in network_info or [] if vif.get("active", True) is False]
            with self._awaiting(instance, waiting):
                self._start(context, instance, network_info, block_device_info, power_on)
        except Exception:
            LOG.exception("The instance could not be made", instance=instance)
            with contextlib.suppress(Exception):
                self.destroy(context, instance, network_info, block_device_info)
            raise

    @contextlib.contextmanager
    def _awaiting(self, instance: Any, events: list[tuple[str, str]]) -> Iterator[None]:
        """Run the block, then wait until Neutron says that every port works."""

        def failed(name: str, instance: Any) -> bool:  # noqa: ARG001 - Nova's form of a callback
            if CONF.vif_plugging_is_fatal:
                raise exception.VirtualInterfaceCreateException()
            return True

        patience = CONF.vif_plugging_timeout
        try:
            with self.virtapi.wait_for_instance_event(instance, events if patience else [], deadline=patience, error_callback=failed):
                yield
        except eventlet.timeout.Timeout:
            LOG.warning("Neutron did not report the ports as ready within %s s", patience, instance=instance)
            if CONF.vif_plugging_is_fatal:
                raise exception.VirtualInterfaceCreateException() from None

    def _define(self, instance: Any) -> None:
        flavor = instance.flavor
        self.guests.make(instance.uuid, instance.name, flavor.vcpus, flavor.memory_mb, flavor.root_gb)

    def _start(self, context: Any, instance: Any, network_info: Any, block_device_info: Any, power_on: bool = True) -> None:  # noqa: ARG002
        """Connect what Nova says belongs to the instance, and start it."""
        with self._working(instance), _mapped(instance):
            if self.guests.status(instance.uuid).running:
                return
            self._define(instance)
            root = _root_volume(block_device_info)
            wanted = driver.block_device_info_get_mapping(block_device_info)
            known = {volume.id for volume in self.guests.load(instance.uuid).volumes}
            for gone in known - {bdm["connection_info"]["serial"] for bdm in wanted}:
                self.guests.forget_volume(instance.uuid, gone)
            for bdm in wanted:
                self.guests.connect_volume(instance.uuid, bdm["connection_info"], bdm["mount_device"], root=bdm is root)
            ports = [_port(vif) for vif in network_info or []]
            for nic in self.guests.load(instance.uuid).nics:
                if nic.port not in {port.id for port in ports}:
                    self.guests.unplug(instance.uuid, nic.port)
            for port in ports:
                self.guests.plug(instance.uuid, port)
            if power_on:
                self.guests.start(instance.uuid, sorted(os.sched_getaffinity(0)))
                self._running.add(instance.uuid)

    def power_on(
        self, context: Any, instance: Any, network_info: Any, block_device_info: Any = None, accel_info: Any = None, share_info: Any = None  # noqa: ARG002
    ) -> None:  # fmt: skip
        self._start(context, instance, network_info, block_device_info)

    def resume_state_on_host_boot(
        self, context: Any, instance: Any, network_info: Any, share_info: Any, block_device_info: Any = None  # noqa: ARG002
    ) -> None:  # fmt: skip
        self._start(context, instance, network_info, block_device_info)

    def power_off(self, instance: Any, timeout: int = 0, retry_interval: int = 0) -> None:  # noqa: ARG002
        with self._working(instance):
            self.guests.stop(instance.uuid, timeout)

    def reboot(
        self, context: Any, instance: Any, network_info: Any, reboot_type: str, block_device_info: Any = None,
        bad_volumes_callback: Any = None, accel_info: Any = None, share_info: Any = None,  # noqa: ARG002
    ) -> None:  # fmt: skip
        with self._working(instance):
            self.guests.stop(instance.uuid, SOFT_REBOOT_SECONDS if reboot_type == "SOFT" else 0)
        self._start(context, instance, network_info, block_device_info)

    def pause(self, instance: Any) -> None:
        if not self.guests.status(instance.uuid).running:
            raise exception.InstanceNotRunning(instance_id=instance.uuid)
        self.guests.units.freeze(instance_unit(instance.uuid))

    def unpause(self, instance: Any) -> None:
        self.guests.units.thaw(instance_unit(instance.uuid))

    def destroy(
        self, context: Any, instance: Any, network_info: Any, block_device_info: Any = None, destroy_disks: bool = True,
        destroy_secrets: bool = True,  # noqa: ARG002
    ) -> None:  # fmt: skip
        with self._working(instance):
            self.guests.stop(instance.uuid, 0)
        self.cleanup(context, instance, network_info, block_device_info, destroy_disks)

    def cleanup(
        self, context: Any, instance: Any, network_info: Any, block_device_info: Any = None, destroy_disks: bool = True,  # noqa: ARG002
        migrate_data: Any = None, destroy_vifs: bool = True, destroy_secrets: bool = True,  # noqa: ARG002
    ) -> None:  # fmt: skip
        with self._working(instance):
            if destroy_vifs:
                self.unplug_vifs(instance, network_info)
            known = self.guests.store.load(instance.uuid)
            for volume in known.volumes if known else ():
                self.guests.forget_volume(instance.uuid, volume.id)
            if destroy_disks:
                self.guests.remove(instance.uuid)
        self._running.discard(instance.uuid)

    def delete_instance_files(self, instance: Any) -> bool:
        self.guests.remove(instance.uuid)
        return True

    # -- images -------------------------------------------------------------------------------------------

    def cache_image(self, context: Any, image_id: str) -> bool:
        if self.bases.raw(image_id).exists():
            return False
        with lockutils.lock(f"uml-image-{image_id}"):
            self.bases.ensure(image_id, 0, self._fetcher(context, image_id, 0))
        return True

    def manage_image_cache(self, context: Any, all_instances: Any) -> None:  # noqa: ARG002 - our own state files say what is used
        if CONF.image_cache.remove_unused_base_images:
            used = [i.base for i in self.guests.store.all() if i.base]
            for file in self.bases.prune(used, CONF.image_cache.remove_unused_original_minimum_age_seconds):
                LOG.info("Removed %s from the image cache: no instance uses it", file)

    def _give_base(self, context: Any, instance: Any, image_id: str) -> None:
        size = instance.flavor.root_gb * GIB
        with lockutils.lock(f"uml-image-{image_id}"):
            try:
                base = self.bases.ensure(image_id, size, self._fetcher(context, image_id, size))
            except images.TooBig as problem:
                raise exception.FlavorDiskSmallerThanImage(flavor_size=problem.disk, image_size=problem.image) from problem
        self.guests.set_base(instance.uuid, base)

    def _fetcher(self, context: Any, image_id: str, limit: int) -> Callable[[Path], None]:
        return lambda target: downloads.fetch_raw(context, image_id, target, self._work, limit, run)

    def _write_config_drive(self, instance: Any, files: Any, password: str | None, network_info: Any) -> None:
        if not configdrive.required_by(instance):
            return
        extra = {"admin_pass": password} if password else {}
        metadata = instance_metadata.InstanceMetadata(instance, content=files, network_info=network_info, extra_md=extra)
        with configdrive.ConfigDriveBuilder(instance_md=metadata) as builder:
            drive = self.guests.home(instance.uuid) / guests.CONFIG_DRIVE
            builder.make_drive(str(drive))
            drive.chmod(0o400)
            self.guests.give(drive, self.guests.load(instance.uuid).user)

    def snapshot(self, context: Any, instance: Any, image_id: str, update_task_state: Callable[..., None]) -> None:
        update_task_state(task_state=task_states.IMAGE_PENDING_UPLOAD)
        try:
            with images.workplace(self._work) as place:
                with self._working(instance), _mapped(instance):
                    utils.tpool_execute(self.guests.copy_disk, instance.uuid, place.source)
                place.hand_over()
                run(*images.convert_words(place.source, "raw", place.result, "qcow2"))
                place.source.unlink()
                update_task_state(task_state=task_states.IMAGE_UPLOADING, expected_state=task_states.IMAGE_PENDING_UPLOAD)
                properties = {"owner_id": instance.project_id, "image_location": "snapshot", "image_state": "available"}
                description = {"disk_format": "qcow2", "container_format": "bare", "properties": properties}
                with place.take_back().open("rb") as stream:
                    glance.API().update(context, image_id, description, stream)
        except cow.CowError as problem:
            raise exception.InstanceNotReady(instance_id=instance.uuid) from problem

    # -- ports --------------------------------------------------------------------------------------------

    def plug_vifs(self, instance: Any, network_info: Any) -> None:
        for vif in network_info:
            self.guests.plug(instance.uuid, _port(vif))

    def unplug_vifs(self, instance: Any, network_info: Any) -> None:
        for vif in network_info or []:
            self.guests.unplug(instance.uuid, vif["id"])

    def attach_interface(self, context: Any, instance: Any, image_meta: Any, vif: Any) -> None:  # noqa: ARG002
        with self._working(instance):
            try:
                self.guests.attach_port(instance.uuid, _port(vif))
            except mconsole.ConsoleError as problem:
                LOG.warning("The guest's kernel refused the port: %s", problem, instance=instance)
                raise exception.InterfaceAttachFailed(instance_uuid=instance.uuid) from problem

    def detach_interface(self, context: Any, instance: Any, vif: Any) -> None:  # noqa: ARG002
        with self._working(instance):
            try:
                self.guests.detach_port(instance.uuid, vif["id"])
            except mconsole.ConsoleError as problem:
                LOG.warning("The guest's kernel keeps the port: %s", problem, instance=instance)
                raise exception.InterfaceDetachFailed(instance_uuid=instance.uuid) from problem

    # -- volumes ------------------------------------------------------------------------------------------

    def attach_volume(
        self, context: Any, connection_info: Any, instance: Any, mountpoint: str,  # noqa: ARG002
        disk_bus: Any = None, device_type: Any = None, encryption: Any = None,  # noqa: ARG002
    ) -> None:  # fmt: skip
        if encryption:
            raise exception.InvalidVolume(reason="this compute driver has no encrypted volumes")
        with self._working(instance), _mapped(instance, connection_info["serial"]):
            self.guests.attach_volume(instance.uuid, connection_info, mountpoint)

    def detach_volume(self, context: Any, connection_info: Any, instance: Any, mountpoint: str, encryption: Any = None) -> None:  # noqa: ARG002
        with self._working(instance):
            try:
                self.guests.detach_volume(instance.uuid, connection_info["serial"])
            except KeyError:
                raise exception.DiskNotFound(location=mountpoint) from None
            except mconsole.ConsoleError as problem:
                raise exception.DeviceDetachFailed(device=mountpoint, reason=str(problem)) from problem

    def volume_snapshot_create(self, context: Any, instance: Any, volume_id: str, create_info: Any) -> None:
        """Cinder has made an empty overlay beside the volume; from now on the instance writes to that."""
        snapshot = create_info["snapshot_id"]

        def take() -> None:
            volume = self._volume(instance, volume_id)
            self.guests.replace_volume(instance.uuid, self.guests.volumes.snapshot(volume, create_info["new_file"]))

        self._on_volume(context, instance, snapshot, take, busy="creating", failed="error")
        self._refresh_connection(context, instance, volume_id, snapshot)

    def volume_snapshot_delete(self, context: Any, instance: Any, volume_id: str, snapshot_id: str, delete_info: Any) -> None:
        def merge() -> None:
            volume = self._volume(instance, volume_id)
            self.guests.volumes.merge(volume, delete_info["file_to_merge"], delete_info["merge_target_file"])

        self._on_volume(context, instance, snapshot_id, merge, busy="deleting", failed="error_deleting")
        self._refresh_connection(context, instance, volume_id, snapshot_id)

    def _on_volume(self, context: Any, instance: Any, snapshot: str, act: Callable[[], None], *, busy: str, failed: str) -> None:
        """Act, and tell Cinder, which waits for it, how that went."""
        api = cinder.API()
        try:
            with self._working(instance):
                act()
        except (QmpError, VolumeError) as problem:
            api.update_snapshot_status(context, snapshot, failed)
            raise exception.InternalError(str(problem)) from problem
        except Exception:
            api.update_snapshot_status(context, snapshot, failed)
            raise
        api.update_snapshot_status(context, snapshot, busy)

    def _refresh_connection(self, context: Any, instance: Any, volume_id: str, snapshot: str) -> None:
        """Learn the volume's new file name, which Cinder knows as soon as the snapshot has left its state of passage."""
        api = cinder.API()

        def settled() -> None:
            try:
                status = api.get_snapshot(context, snapshot)["status"]
            except exception.SnapshotNotFound:
                status = "deleted"
            if status not in ("creating", "deleting"):
                raise loopingcall.LoopingCallDone()

        with contextlib.suppress(loopingcall.LoopingCallTimeOut):
            loopingcall.FixedIntervalWithTimeoutLoopingCall(settled).start(interval=0.5, timeout=60).wait()
        bdm = objects.BlockDeviceMapping.get_by_volume_and_instance(context, volume_id, instance.uuid)
        driver_block_device.convert_volume(bdm).refresh_connection_info(context, instance, api, self)

    def _volume(self, instance: Any, volume_id: str) -> Any:
        volume = self.guests.load(instance.uuid).volume(volume_id)
        if volume is None:
            raise VolumeError(f"volume {volume_id} is not attached")
        return volume

    def default_root_device_name(self, instance: Any, image_meta: Any, root_bdm: Any) -> str:  # noqa: ARG002
        return "/dev/vda"

    def default_device_names_for_instance(self, instance: Any, root_device_name: str, *block_device_lists: Any) -> None:
        compute_utils.default_device_names_for_instance(instance, root_device_name, *block_device_lists)

    def get_device_name_for_instance(self, instance: Any, bdms: Any, block_device_obj: Any) -> Any:  # noqa: ARG002
        return compute_utils.get_device_name_for_instance(instance, bdms, None)

    # -- resize on this machine ---------------------------------------------------------------------------

    def check_instance_shared_storage_local(self, context: Any, instance: Any) -> None:  # noqa: ARG002
        """One machine: its storage is always "shared", so no disk is deleted on the way."""
        return

    def migrate_disk_and_power_off(
        self, context: Any, instance: Any, dest: str, flavor: Any, network_info: Any, block_device_info: Any = None,
        timeout: int = 0, retry_interval: int = 0,  # noqa: ARG002
    ) -> str:  # fmt: skip
        if dest != self.get_host_ip_addr():
            raise exception.MigrationError(reason="this compute driver resizes on the same host only")
        if flavor.root_gb < instance.flavor.root_gb and not _root_volume(block_device_info):
            raise exception.InstanceFaultRollback(exception.ResizeError(reason="a disk cannot shrink"))
        with self._working(instance):
            self.guests.stop(instance.uuid, timeout)
            # An earlier resize may have failed and never been taken back: its old disk is not what this one goes back to.
            self.guests.keep_resized(instance.uuid)
        self.cleanup(context, instance, network_info, block_device_info, destroy_disks=False)
        return ""

    def finish_migration(
        self, context: Any, migration: Any, instance: Any, disk_info: Any, network_info: Any, image_meta: Any, resize_instance: bool,  # noqa: ARG002
        allocations: Any, block_device_info: Any = None, power_on: bool = True,  # noqa: ARG002
    ) -> None:  # fmt: skip
        if resize_instance and not _root_volume(block_device_info):
            with self._working(instance), _mapped(instance):
                utils.tpool_execute(self.guests.grow_disk, instance.uuid, instance.flavor.root_gb * GIB)
        self._start(context, instance, network_info, block_device_info, power_on)

    def confirm_migration(self, context: Any, migration: Any, instance: Any, network_info: Any) -> None:  # noqa: ARG002
        with self._working(instance):
            self.guests.keep_resized(instance.uuid)

    def finish_revert_migration(
        self, context: Any, instance: Any, network_info: Any, migration: Any, block_device_info: Any = None, power_on: bool = True  # noqa: ARG002
    ) -> None:  # fmt: skip
        with self._working(instance):
            self.guests.stop(instance.uuid, 0)
            self.guests.undo_resize(instance.uuid)
        self._start(context, instance, network_info, block_device_info, power_on)

    # -- small change -------------------------------------------------------------------------------------

    @contextlib.contextmanager
    def _working(self, instance: Any) -> Iterator[None]:
        """One thing at a time with an instance; the poll keeps its hands off it meanwhile."""
        with lockutils.lock(f"uml-{instance.uuid}"):
            self._busy.add(instance.uuid)
            try:
                yield
            finally:
                self._busy.discard(instance.uuid)


@contextlib.contextmanager
def _mapped(instance: Any, volume_id: str = "") -> Iterator[None]:
    """Failures of the parts below as exceptions that Nova knows."""
    try:
        yield
    except (VolumeError, QmpError) as problem:
        raise exception.InvalidVolume(reason=str(problem)) from problem
    except mconsole.ConsoleError as problem:
        if volume_id:
            raise exception.VolumeAttachFailed(volume_id=volume_id, reason=str(problem)) from problem
        raise exception.InstanceNotReady(instance_id=instance.uuid) from problem
    except ValueError as problem:
        raise exception.InvalidInput(reason=str(problem)) from problem


def _refuse_unsupported(block_device_info: Any) -> None:
    if driver.swap_is_usable(driver.block_device_info_get_swap(block_device_info)):
        raise exception.InvalidBDMSwapSize()
    if driver.block_device_info_get_ephemerals(block_device_info):
        raise exception.InvalidBDMEphemeralSize()


def _root_volume(block_device_info: Any) -> Any:
    """The volume that the instance boots from, None for a local disk."""
    mapping = driver.block_device_info_get_mapping(block_device_info)
    return next((bdm for bdm in mapping if bdm.get("boot_index") == 0), None)


def _port(vif: Any) -> guests.Port:
    if vif["type"] != "ovs":
        raise exception.VirtualInterfacePlugException(f"ports of type {vif['type']} are not supported")
    network = vif["network"]
    return guests.Port(vif["id"], vif["address"], network.get_meta("mtu") or 1500, network["bridge"] or "br-int")
