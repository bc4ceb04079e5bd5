"""A test node: Debian 13 with its own systemd, sshd, PAM, packet filter and network, in a container without a way outside.

Each has a network namespace with a bridge for whoever tests it (10.231.0.1), and gets an empty one of its own at every boot
(10.231.0.2), so that rules and parameters that a reboot would lose are lost here too. Its host keys are made before its
first boot and pinned; the way in is SSH over `nsenter` into the bridge's namespace.
"""

from __future__ import annotations

import shutil
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tenacity import retry, retry_if_exception_type, stop_after_delay, wait_fixed

from foundation.errors import InputError, Problem
from foundation.places import cache
from foundation.process import CommandFailed, run
from foundation.progress import Progress
from lab.hostnet import ensure_namespace, ip, links, remove_namespace
from lab.machine import NSPAWN, Machine
from landing_zone import effective
from landing_zone.image import base
from tests.nodes import trees

LONGEST_NAME = 8  # "vb-lzn-NAME" is a link, whose name has at most 15 characters
BRIDGE = "nodes0"
OUTSIDE, ADDRESS = "10.231.0.1", "10.231.0.2"
USER = "admin"
BOOT_PATIENCE = 60  # seconds from a boot to the first login
HOST_KEYS = ("ed25519", "ecdsa", "rsa")
FILES = {
    "etc/systemd/network/10-node.network": f"""[Match]
Name=host0
[Network]
Address={ADDRESS}/24
LinkLocalAddressing=no
IPv6AcceptRA=no
""",
    # A user manager never sees its cgroup become empty below a host with both kinds of cgroups, and would wait two minutes.
    "etc/systemd/system/user@.service.d/10-node.conf": "[Service]\nTimeoutStopSec=1s\n",
    "etc/cloud/cloud-init.disabled": "",
    # The clock is the host's: chrony runs, and leaves it alone.
    "etc/systemd/system/chrony.service.d/10-node.conf": """[Unit]
ConditionCapability=
[Service]
ExecStart=
ExecStart=!/usr/sbin/chronyd -x $DAEMON_OPTS
""",
    "etc/apt/sources.list": "deb [trusted=yes] file:/srv/pool ./\n",
    # A container has no disk; with this, the boot menu is written by Debian's own programs all the same.
    "usr/sbin/grub-probe": """#!/bin/sh
case "$*" in
*target=device*) echo /dev/vda1 ;;
*uuid*) echo 3c2f1a52-6a3e-4d6f-9d1c-0a4a6f1d2b11 ;;
*drive*) echo "(hd0,gpt1)" ;;
*partmap*) echo gpt ;;
*abstraction*) ;;
*fs*) echo ext2 ;;
esac
""",
    "boot/grub/grubenv": "",
    # As cloud-init leaves it.
    "etc/sudoers.d/90-cloud-init-users": f"{USER} ALL=(ALL) NOPASSWD:ALL\n",
    "etc/default/grub": """GRUB_DEFAULT=0
GRUB_TIMEOUT=5
GRUB_DISTRIBUTOR=Debian
GRUB_CMDLINE_LINUX_DEFAULT="quiet"
GRUB_CMDLINE_LINUX=""
""",
}


@dataclass(frozen=True)
class Node(Machine):
    """pool: the local package repository, shown at /srv/pool."""

    pool: Path

    @property
    def ssh_config(self) -> Path:
        """For ssh -F: reaches `node` as the administrator with its keys pinned."""
        return self.home / "ssh_config"

    def nspawn(self) -> list[str]:
        """A container as anybody would run it, on the bridge, started again when it reboots (nspawn ends with 133 then).

        The link of the boot before goes away late, and the next one has its name.
        """
        loop = f'while ip -n {self.netns} link del vb-{self.name} 2>/dev/null; "$@"; [ $? -eq 133 ]; do :; done'
        return [
            "sh", "-c", loop, "sh", "nsenter", f"--net=/run/netns/{self.netns}", "systemd-nspawn", *self.common_words(),
            f"--network-bridge={BRIDGE}", f"--bind-ro={self.pool}:/srv/pool",
        ]  # fmt: skip

    def settings(self) -> dict[str, str]:
        return {**NSPAWN, "SYSTEMD_NSPAWN_TMPFS_TMP": "0"}  # the node mounts its own /tmp, with the options of its fstab

    def ssh(self, *command: str, user: str = USER, key: str = "admin", options: tuple[str, ...] = ()) -> str:
        """Sign in and run a program. Raises CommandFailed, with status 255 when the node let nobody in."""
        words: list[str | Path] = ["ssh", "-F", self.ssh_config, "-i", self.home / key, "-l", user, *options, "node", "--", *command]
        return run(words, timeout=60)

    @property
    def asked(self) -> Any:
        """The node as testinfra knows it (`testinfra.host.Host`), entered as any live node is; commands are run as root."""
        return effective.enter("node", self.ssh_config)

    def reboot(self) -> None:
        """Reboot the node from inside and wait for it."""
        before = self.leader()
        self.inside("systemctl", "reboot")
        deadline = time.monotonic() + BOOT_PATIENCE
        while self.leader() in {before, None} and time.monotonic() < deadline:
            time.sleep(0.2)
        self.await_ssh()

    @retry(retry=retry_if_exception_type(CommandFailed), stop=stop_after_delay(BOOT_PATIENCE), wait=wait_fixed(0.3), reraise=True)
    def await_ssh(self) -> None:
        """Wait until sshd answers with its name."""
        run(["nsenter", f"--net=/run/netns/{self.netns}", "sh", "-c", f"nc -w 2 {ADDRESS} 22 </dev/null | grep -q ^SSH"])


def node(name: str, base_tree: Path, pool: Path, over: tuple[Path, ...] = ()) -> Node:
    """A node of that name, running or not. over: layers between its own files and the tree, topmost first."""
    if not name.isalnum() or len(name) > LONGEST_NAME:
        raise InputError(Problem(f"{name!r} is no name for a test node", cure=f"use at most {LONGEST_NAME} letters and digits"))
    return Node(f"lzn-{name}", cache("nodes", "run") / name, (*over, base_tree), f"lzn-{name}", pool)


def find(name: str, progress: Progress) -> Node:
    """The node of that name on today's trees, which are made if they are not cached."""
    tree = base.ensure(progress)
    return node(name, tree, trees.pool(tree, progress))


def up(one: Node) -> Node:
    """Make a fresh node, boot it and wait until it can be signed in to; what stood under its name is thrown away."""
    down(one)
    one.mount()
    _furnish(one)
    _join(one)
    one.start(one.home / "console.log")
    one.await_ssh()
    return one


def down(one: Node) -> None:
    """Take the node away with all that is its own: processes, cgroup, mounts, files, network namespace."""
    one.destroy()
    remove_namespace(one.netns)


def copy(one: Node, name: str, over: tuple[Path, ...]) -> Node:
    """A copy of a node's files under another name, booted, with further layers on top; the node itself runs on untouched."""
    other = node(name, one.layers[-1], one.pool)
    down(other)
    below = other.home / "below"
    other.home.mkdir(parents=True)
    run(["cp", "--archive", "--reflink=auto", one.upper, below])
    twin = Node(other.name, other.home, (*over, below, *other.layers), other.netns, other.pool)
    twin.mount()
    for file in ("ssh_config", "known_hosts"):
        text = (one.home / file).read_text()
        (twin.home / file).write_text(text.replace(str(one.home), str(twin.home)).replace(one.netns, twin.netns))
    for key in one.home.glob("*.pub"):
        shutil.copy(key, twin.home)
        shutil.copy(key.with_suffix(""), twin.home)
    _join(twin)
    twin.start(twin.home / "console.log")
    return twin


def _join(one: Node) -> None:
    ensure_namespace(one.netns)
    if BRIDGE not in links(one.netns):
        ip("link", "add", BRIDGE, "type", "bridge", netns=one.netns)
        ip("address", "add", f"{OUTSIDE}/24", "dev", BRIDGE, netns=one.netns)
        ip("link", "set", BRIDGE, "up", netns=one.netns)


def _furnish(one: Node) -> None:
    """What a fresh cloud instance has after its first boot: a name, host keys, an administrator; and our way in, pinned."""
    for sources in (one.root / "etc/apt").rglob("*.sources"):
        sources.unlink()
    (one.root / "etc/apt/apt.conf.d/99mmdebstrap").unlink()  # how the tree was made is no setting of a node
    for name, text in FILES.items():
        file = one.root / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    (one.root / "etc/sudoers.d/90-cloud-init-users").chmod(0o440)
    (one.root / "usr/sbin/grub-probe").chmod(0o755)
    run(["chroot", one.root, "update-grub"])
    (one.root / "etc/hostname").write_text(f"{one.home.name}\n")
    (one.root / "etc/hosts").write_text(f"127.0.0.1 localhost\n127.0.1.1 {one.home.name}\n")
    (one.root / "etc/machine-id").write_text("")
    run(["systemctl", f"--root={one.root}", "--quiet", "enable", "systemd-networkd.service", "ssh.service"])
    run(["systemctl", f"--root={one.root}", "--quiet", "mask", "systemd-networkd-wait-online.service"])
    run(["chroot", one.root, "useradd", "--create-home", "--shell", "/bin/bash", "--groups", "sudo", USER])
    for key in (USER, "second"):
        run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", key, "-f", one.home / key])
    for home, owner in (("home/admin", USER), ("root", "root")):
        keys = one.root / home / ".ssh"
        keys.mkdir(mode=0o700, exist_ok=True)
        shutil.copy(one.home / "admin.pub", keys / "authorized_keys")
        run(["chroot", one.root, "chown", "--recursive", f"{owner}:{owner}", f"/{home}/.ssh"])
    pinned = []
    for kind in HOST_KEYS:
        file = one.root / f"etc/ssh/ssh_host_{kind}_key"
        for old in (file, file.with_suffix(".pub")):
            old.unlink(missing_ok=True)
        run(["ssh-keygen", "-q", "-t", kind, "-N", "", "-C", one.home.name, "-f", file])
        pinned.append("node " + " ".join(file.with_suffix(".pub").read_text().split()[:2]))
    (one.home / "known_hosts").write_text("\n".join(pinned) + "\n")
    one.ssh_config.write_text(
        f"""Host node {ADDRESS}
  HostName {ADDRESS}
  HostKeyAlias node
  User {USER}
  IdentityFile {one.home / USER}
  IdentitiesOnly yes
  IdentityAgent none
  BatchMode yes
  UserKnownHostsFile {one.home / "known_hosts"}
  GlobalKnownHostsFile none
  StrictHostKeyChecking yes
  UpdateHostKeys no
  ConnectTimeout 10
  ServerAliveInterval 5
  ServerAliveCountMax 3
  ProxyCommand nsenter --net=/run/netns/{one.netns} nc %h %p
"""
    )
