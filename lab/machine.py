"""A machine of the lab: systemd-nspawn over an overlay of cached layers, in its own network namespace and cgroup."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tenacity import retry, retry_if_exception_type, stop_after_delay, wait_fixed

from foundation.errors import LzError, Problem
from foundation.process import CommandFailed, run
from lab.debian import mounts_below, remove_tree

# Machines live below the first of these that is there. nspawn makes a group of the same name in systemd's own hierarchy, where a
# host has the first version of cgroups too, and leaves it.
CGROUP_ROOTS = (Path("/sys/fs/cgroup/unified"), Path("/sys/fs/cgroup"), Path("/sys/fs/cgroup/systemd"))
NSPAWN = {
    "SYSTEMD_NSPAWN_UNIFIED_HIERARCHY": "1",  # systemd 257 refuses cgroup v1
    "SYSTEMD_NSPAWN_LOCK": "0",  # lock files would stay behind in /run; whoever runs machines has a lock of his own
}
RUN = Path("/run/systemd/nspawn")
RUN_KINDS = ("propagate", "unix-export")  # folders in it, in which each machine has one; the second kind is a mount
INSIDE = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root", "LANG": "C.UTF-8"}


@dataclass(frozen=True)
class Machine:
    """name: also that of its cgroup. home: folder of its files. layers: read-only trees below it, topmost first."""

    name: str
    home: Path
    layers: tuple[Path, ...]
    netns: str

    @property
    def root(self) -> Path:
        """Where its tree is mounted."""
        return self.home / "root"

    @property
    def upper(self) -> Path:
        """The folder with what the machine itself has written."""
        return self.home / "upper"

    @property
    def _pidfile(self) -> Path:
        return self.home / "machine.json"

    def mount(self) -> None:
        """Show the layers with our own on top at `root`; do nothing when they are there."""
        if str(self.root) in mounts_below(self.root):
            return
        for part in (self.upper, self.home / "work", self.root):
            part.mkdir(parents=True, exist_ok=True)
        lower = ":".join(str(layer) for layer in self.layers)
        options = f"lowerdir={lower},upperdir={self.upper},workdir={self.home / 'work'}"
        run(["mount", "-t", "overlay", "overlay", "-o", options, self.root])

    def unmount(self) -> None:
        """Take away its tree and all that is mounted below."""
        _unmount(self.root)

    # -- life ---------------------------------------------------------------------------------------------

    def start(self, log: Path, devices: Sequence[str] = ()) -> None:
        """Boot the machine and wait until its systemd answers. devices: nodes of the host to lend it, e.g. /dev/kvm."""
        if self.leader():
            return
        self._kill_leftovers()
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("ab") as stream:
            child = subprocess.Popen(
                [*self._in_own_cgroup(), *self.nspawn(), *(f"--bind={device}" for device in devices)],
                stdin=subprocess.DEVNULL, stdout=stream, stderr=stream, env={**os.environ, **self.settings()}, start_new_session=True,
            )  # fmt: skip
        self._pidfile.write_text(json.dumps({"pid": child.pid, "born": _born(child.pid)}))
        deadline = time.monotonic() + 60
        while not self.leader():
            if child.poll() is not None or time.monotonic() > deadline:
                tail = "\n".join(log.read_text(errors="replace").splitlines()[-8:])
                raise LzError(Problem(f"machine {self.name} did not boot", where=str(log), why=tail, cure="run `lz lab doctor`"))
            time.sleep(0.1)
        self._await_systemd()

    def nspawn(self) -> list[str]:
        """The command that boots the machine: it lives in the lab's own network namespace and may do all that the lab does."""
        return [
            "systemd-nspawn", *self.common_words(), f"--network-namespace-path=/run/netns/{self.netns}", "--capability=all",
        ]  # fmt: skip

    def common_words(self) -> list[str]:
        """Arguments of systemd-nspawn that every kind of machine has."""
        return [
            "--quiet", f"--directory={self.root}", "--boot", f"--machine={self.name}", "--register=no", "--keep-unit",
            "--console=pipe", "--resolv-conf=off", "--timezone=off",
        ]  # fmt: skip

    def settings(self) -> dict[str, str]:
        """Environment of systemd-nspawn."""
        return {
            **NSPAWN,
            "SYSTEMD_NSPAWN_API_VFS_WRITABLE": "network",
            "SYSTEMD_SECCOMP": "0",  # a filter of nspawn's own makes every system call of a UML instance 3-4 times as dear
        }

    @retry(retry=retry_if_exception_type(CommandFailed), stop=stop_after_delay(60), wait=wait_fixed(0.2), reraise=True)
    def _await_systemd(self) -> None:
        self.inside("systemctl", "show", "--property=Version")

    def power_off(self, timeout: float = 60) -> None:
        """Clean shutdown, guests included; kill what is left after `timeout` seconds."""
        if self._signal(signal.SIGRTMIN + 4):
            deadline = time.monotonic() + timeout
            while self.leader() and time.monotonic() < deadline:
                time.sleep(0.2)
        self.kill()

    def kill(self) -> None:
        """End every process of the machine at once; its files stay."""
        self._signal(signal.SIGKILL)
        self._kill_leftovers()
        self._pidfile.unlink(missing_ok=True)
        for kind in RUN_KINDS:
            self._forget(RUN / kind / self.name)

    def _signal(self, number: int) -> bool:
        """Send its systemd a signal; whether there was one to send it to."""
        leader = self.leader()
        with contextlib.suppress(ProcessLookupError):
            if leader:
                os.kill(leader, number)
                return True
        return False

    def _forget(self, folder: Path) -> None:
        _unmount(folder)
        with contextlib.suppress(FileNotFoundError):
            folder.rmdir()

    def _kill_leftovers(self) -> None:
        """End what still lives in the machine's cgroup (an orphan of a killed run), then remove the cgroup."""
        deadline = time.monotonic() + 20
        if Path("/run/systemd/system").is_dir():
            with contextlib.suppress(CommandFailed):
                run(["systemctl", "stop", f"{self.name}.scope"])
        groups = [root / self.name for root in CGROUP_ROOTS if (root / self.name).is_dir()]
        for group in groups:
            while pids := _pids_below(group):
                for pid in pids:
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(pid, signal.SIGKILL)
                if time.monotonic() > deadline:
                    raise LzError(Problem(f"processes of machine {self.name} do not end", where=str(pids), cure="look at them with ps"))
                time.sleep(0.05)
            for each in _with_all_below(group):
                _rmdir(each)

    def destroy(self) -> None:
        """Kill, unmount and delete everything of the machine."""
        self.kill()
        self.unmount()
        remove_tree(self.home)

    # -- inside -------------------------------------------------------------------------------------------

    def leader(self) -> int | None:
        """Process id of the machine's systemd as the host sees it, None when the machine is not running."""
        try:
            known = json.loads(self._pidfile.read_text())
        except (FileNotFoundError, ValueError):
            return None
        if _born(known["pid"]) != known["born"]:
            return None
        # The first child is nspawn's systemd, or nspawn itself below a loop that starts it again after a reboot.
        below = _children(known["pid"])
        for pid in (*below, *(grandchild for child in below for grandchild in _children(child))):
            with contextlib.suppress(OSError):
                if Path(f"/proc/{pid}/comm").read_text().strip() == "systemd":
                    return pid
        return None

    def inside(
        self,
        *command: str,
        stdin: str | None = None,
        log: Path | None = None,
        env: Mapping[str, str] | None = None,
        timeout: float | None = None,
    ) -> str:
        """Run a program as root inside the machine and return what it prints. `env` may carry secrets."""
        words, known = self.words(*command), {**INSIDE, **(env or {})}
        return run(words, stdin=stdin, log=log, env=known, timeout=timeout, cure="run `lz lab doctor`")

    def words(self, *command: str) -> list[str]:
        """A command as it is run as root inside; give it the environment INSIDE. A TMPDIR of the host's need not be a folder there.

        Raises LzError when the machine is not running.
        """
        return [*self.enter(), "env", "--unset=TMPDIR", *command]

    def enter(self) -> list[str]:
        """Words in front of a command that run it in the machine's namespaces. Raises LzError when not running."""
        leader = self.leader()
        if not leader:
            raise LzError(Problem(f"machine {self.name} is not running", cure="run `lz lab up`"))
        return ["nsenter", f"--target={leader}", "--mount", "--uts", "--ipc", "--net", "--pid", "--root", "--wd"]

    # -- cgroup -------------------------------------------------------------------------------------------

    def _in_own_cgroup(self) -> list[str]:
        """Words in front of a command that give it a cgroup of its own: two machines in one disturb each other."""
        if Path("/run/systemd/system").is_dir():
            return ["systemd-run", "--scope", "--quiet", "--collect", f"--unit={self.name}", "--property=Delegate=yes"]
        root = next((r for r in CGROUP_ROOTS if (r / "cgroup.procs").exists()), None)
        if root is None:
            return []
        group = root / self.name
        group.mkdir(exist_ok=True)
        return ["sh", "-c", f'echo $$ > {group}/cgroup.procs && exec "$@"', "sh"]


def forget_folders() -> None:
    """Remove the folders that systemd-nspawn made for its machines, unless somebody else has one there. No machine may be starting."""
    for folder in (*(RUN / kind for kind in RUN_KINDS), RUN):
        with contextlib.suppress(OSError):
            folder.rmdir()


def _unmount(folder: Path) -> None:
    """Take away what is mounted at or below a folder."""
    for point in mounts_below(folder):
        run(["umount", point], cure=f"leave {point}: a shell or an open file in it keeps it; then run it again")


def _rmdir(group: Path) -> None:
    """A cgroup is busy for a moment after its last process has gone."""
    for _ in range(100):
        try:
            group.rmdir()
            return
        except FileNotFoundError:
            return
        except OSError:
            time.sleep(0.05)
    raise LzError(Problem(f"cgroup {group} cannot be removed", cure="look at its cgroup.procs"))


def _with_all_below(group: Path) -> Iterator[Path]:
    """A cgroup and those below it, the deepest first. Others may vanish meanwhile, with which Path.rglob would end."""
    return (Path(folder) for folder, _, _ in os.walk(group, topdown=False))


def _pids_below(group: Path) -> list[int]:
    pids: list[int] = []
    for each in _with_all_below(group):
        with contextlib.suppress(OSError):
            pids += [int(line) for line in (each / "cgroup.procs").read_text().split()]
    return pids


def _born(pid: int) -> int | None:
    """Start time of a process in clock ticks since boot: with it, a number used again is not mistaken for the same process."""
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19])
    except (FileNotFoundError, ProcessLookupError):
        return None


def _children(pid: int) -> list[int]:
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if int((process / "stat").read_text().rpartition(")")[2].split()[1]) == pid:
                found.append(int(process.name))
    return found
