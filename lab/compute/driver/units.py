"""Each instance, and each volume's storage daemon, is a transient unit of the machine's systemd.

An instance sees an empty root with its own disks, the kernel and the libraries; it has no capability, cannot gain any,
and sees no other process. Filters of system calls are left out on purpose: they would make each one dearer.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from .state import Instance

KERNEL = Path("/usr/local/lib/uml/linux")
LAUNCH = Path("/usr/local/lib/uml/launch")
_CONSOLE_PROGRAM = Path(__file__).resolve().with_name("mconsole.py")
RUN = Path("/run/uml")
MEMORY = Path("/run/uml-memory")
# What `launch` ends with when the guest has asked for a reboot: systemd then starts the unit anew, with clean descriptors.
REBOOT_STATUS = 133
STOP_SECONDS = 40
# Guests go before the network and the disks below them when the machine stops, and after nova-compute, which would
# otherwise take a guest that stops with the machine for one that its user has switched off.
_AFTER = ("openvswitch-switch.service", "ovs-vswitchd.service", "ovn-controller.service", "systemd-machined.service", "dbus.service")


class Runner(Protocol):
    """Runs a program to its end and returns what it printed; raises unless its status is one of `ok`."""

    def __call__(self, *words: object, ok: Sequence[int] = (0,)) -> str: ...


ANY_STATUS = tuple(range(256))
_DAEMON: dict[str, object] = {
    "Type": "exec",
    "Slice": "machine.slice",
    "CollectMode": "inactive-or-failed",
    "NoNewPrivileges": "yes",
    "TimeoutStopSec": 20,
    "OOMScoreAdjust": -200,
}


@dataclass(frozen=True)
class Status:
    """active: the unit's ActiveState. frozen: whether its processes are suspended."""

    active: str
    frozen: bool

    @property
    def running(self) -> bool:
        return self.active not in ("inactive", "failed")


def instance_unit(uuid: str) -> str:
    return f"nova-{uuid}.service"


def volume_unit(volume_id: str) -> str:
    return f"nova-volume-{volume_id}.service"


def view_unit(volume_id: str) -> str:
    return f"nova-volume-{volume_id}-file.service"


def unprivileged(user: int) -> list[str]:
    """Words in front of a command that runs as `user`, which needs no entry in passwd, with no way to more rights."""
    number = [f"--reuid={user}", f"--regid={user}", "--clear-groups"]
    return ["/usr/bin/setpriv", *number, "--no-new-privs", "--inh-caps=-all", "--bounding-set=-all"]


def start_instance(instance: Instance, home: Path, volumes: Path) -> list[str]:
    """Words that start an instance. home: its folder. volumes: folder in which its volumes appear."""
    run = RUN / instance.uuid
    as_user = unprivileged(instance.user)
    readable = ["/usr", "/lib", "/lib64", "/bin", "/etc/ld.so.cache", str(home / "args"), *([instance.base] if instance.base else [])]
    if (home / "disk.config").exists():
        readable.append(str(home / "disk.config"))
    # What a guest's memory does not hold: page tables of its processes, and the kernel's own text.
    memory_limit = instance.memory_mb + instance.memory_mb // 4 + 256
    properties = {
        "Description": f"Instance {instance.name} ({instance.uuid})",
        "Type": "exec",
        "Slice": "machine.slice",
        "CollectMode": "inactive-or-failed",
        "After": " ".join(_AFTER),
        "Before": "nova-compute.service",
        "UMask": "0077",
        "NoNewPrivileges": "yes",
        "CapabilityBoundingSet": "CAP_SETUID CAP_SETGID CAP_SETPCAP",  # all gone once the user has changed
        "TemporaryFileSystem": f"/:ro {MEMORY}:mode=0700,uid={instance.user},gid={instance.user},size={instance.memory_mb + 64}M",
        "BindReadOnlyPaths": " ".join(readable),
        "BindPaths": f"{home / 'guest'} {run} {volumes} /dev/uml-tun:/dev/net/tun",
        "InaccessiblePaths": "-/dev/fuse -/dev/kvm -/dev/shm",
        "MountAPIVFS": "yes",
        "ProtectProc": "invisible",
        "PrivateIPC": "yes",
        "Environment": f"TMPDIR={MEMORY}",
        "StandardInput": "null",
        "StandardOutput": f"append:{home / 'console.log'}",
        "StandardError": f"append:{home / 'console.log'}",
        "LimitNOFILE": 65536,
        "LimitCORE": 0,
        "TasksMax": 32768,
        "MemoryMax": f"{memory_limit}M",
        "MemorySwapMax": 0,
        "OOMScoreAdjust": 300,
        "CPUWeight": min(10000, 100 * instance.vcpus),
        "CPUAffinity": " ".join(str(cpu) for cpu in instance.cpus),
        "RestartForceExitStatus": REBOOT_STATUS,
        "SuccessExitStatus": REBOOT_STATUS,
        "RestartSec": "200ms",
        "StartLimitIntervalSec": 0,
        "TimeoutStopSec": STOP_SECONDS,
        "ExecStop": f"{' '.join(as_user)} /usr/bin/python3 -I {_CONSOLE_PROGRAM} {run}/guest/mconsole $MAINPID",
    }
    return _transient(instance_unit(instance.uuid), properties, [*as_user, LAUNCH, home / "args", run / "guest"])


def start_storage_daemon(volume_id: str, uuid: str, source: Path, image_format: str, socket: Path, control: Path) -> list[str]:
    """Words that start the daemon which reads and writes the volume in `source` and serves it by NBD on `socket`.

    The format is named, never guessed: a guest may have written any header into a raw volume. When the machine stops,
    the daemon outlives instance `uuid`, whose last writes go through it; so it is ordered by the volume's unit, which
    also holds for a volume plugged into a running instance.
    """
    properties = {
        **_DAEMON,
        "Description": f"Volume {volume_id}",
        "RequiresMountsFor": source.parent,
        "Before": f"{view_unit(volume_id)} {instance_unit(uuid)}",
    }
    daemon = [
        "qemu-storage-daemon",
        "--blockdev", f"driver=file,node-name=file,discard=unmap,filename={source}",
        "--blockdev", f"driver={image_format},node-name=top,discard=unmap,file=file",
        "--chardev", f"socket,id=control,server=on,wait=off,path={control}",
        "--monitor", "chardev=control",
        "--nbd-server", f"addr.type=unix,addr.path={socket}",
        "--export", "type=nbd,id=export,node-name=top,writable=on,name=volume",
    ]  # fmt: skip
    return _transient(volume_unit(volume_id), properties, daemon)


def start_file_view(volume_id: str, uuid: str, socket: Path, target: Path) -> list[str]:
    """Words that start the daemon which shows instance `uuid` what `socket` serves as a raw file in `target`, by FUSE.

    Two daemons, because an export by FUSE claims the right to resize what it shows, and no snapshot can be merged then.
    """
    properties = {**_DAEMON, "Description": f"Volume {volume_id} as a file", "Before": instance_unit(uuid)}
    daemon = [
        "qemu-storage-daemon",
        "--blockdev", f"driver=nbd,node-name=volume,discard=unmap,open-timeout=10,server.type=unix,server.path={socket},export=volume",
        "--export", f"type=fuse,id=export,node-name=volume,writable=on,allow-other=on,mountpoint={target}",
    ]  # fmt: skip
    return _transient(view_unit(volume_id), properties, daemon)


def _transient(unit: str, properties: dict[str, object], command: Sequence[object]) -> list[str]:
    flags = [f"--property={name}={value}" for name, value in properties.items()]
    return ["systemd-run", "--quiet", f"--unit={unit}", *flags, "--", *(str(word) for word in command)]


class Units:
    """The units by way of systemctl."""

    def __init__(self, run: Runner) -> None:
        self._run = run

    def start(self, words: Sequence[str], unit: str) -> None:
        """Run the words that start `unit`; a failed one of that name is forgotten first."""
        self._run("systemctl", "reset-failed", unit, ok=ANY_STATUS)
        self._run(*words)

    def status(self, unit: str) -> Status:
        shown = self._run("systemctl", "show", "--property=ActiveState,FreezerState", unit)
        values = dict(line.split("=", 1) for line in shown.split())
        return Status(values.get("ActiveState", "inactive"), values.get("FreezerState") in ("frozen", "freezing"))

    def stop(self, unit: str, seconds: int) -> None:
        """Let it shut down for up to `seconds` (0: not at all), then end every process of it."""
        if self.status(unit).frozen:
            self.thaw(unit)
        if seconds > 0:
            self._run("timeout", seconds, "systemctl", "stop", unit, ok=ANY_STATUS)
        self._run("systemctl", "kill", "--signal=KILL", "--kill-whom=all", unit, ok=ANY_STATUS)
        self._run("timeout", 30, "systemctl", "stop", unit, ok=ANY_STATUS)

    def freeze(self, unit: str) -> None:
        self._run("systemctl", "freeze", unit)

    def thaw(self, unit: str) -> None:
        self._run("systemctl", "thaw", unit)

    def machine_is_stopping(self) -> bool:
        return self._run("systemctl", "is-system-running", ok=ANY_STATUS).strip() == "stopping"
