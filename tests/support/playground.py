"""A network with instances that is thrown away afterwards: what live tests and benchmarks of instances stand on."""

from __future__ import annotations

import contextlib
import shlex
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any

from openstack.connection import Connection

from foundation.errors import LzError, Problem
from foundation.process import run
from landing_zone.ssh.pinning import keys_in

IMAGE = "debian-13"
FLAVOR = "SCS-1L-1-5"
USER = "debian"
OPEN_PORT = 22
SSH_FAILED = 255  # ssh's own exit status when it could not get in


@dataclass
class Box:
    """One instance. seconds: since its creation was asked for, until each stage (active, ssh)."""

    name: str
    server: Any
    port: Any
    address: str
    began: float
    seconds: dict[str, float] = field(default_factory=dict)


def await_gone(cloud: Connection, server: Any) -> None:
    """Wait until a deleted server is in nobody's list any more: the last place that it leaves."""
    compute: Any = cloud.compute
    while any(one.id == server.id for one in compute.servers(all_projects=True)):
        time.sleep(1)


class Playground:
    """Use as a context manager; everything that it made is deleted at the end, whatever happened."""

    def __init__(self, cloud: Connection, name: str, folder: Path) -> None:
        self.cloud = cloud
        self.name = name
        self._key = folder / "key"
        self._known = folder / "known_hosts"
        self._boxes: list[Box] = []

    def __enter__(self) -> Playground:
        try:
            self._make()
        except BaseException:
            self._clear()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._clear()

    def _make(self) -> None:
        run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", self._key])
        compute: Any = self.cloud.compute
        network: Any = self.cloud.network
        compute.create_keypair(name=self.name, public_key=self._key.with_suffix(".pub").read_text())
        self.network = network.create_network(name=self.name)
        self.subnet = network.create_subnet(network_id=self.network.id, name=self.name, ip_version=4, cidr="10.213.0.0/24")
        self.outer = network.find_network("public", ignore_missing=False)
        self.router = network.create_router(name=self.name, external_gateway_info={"network_id": self.outer.id})
        network.add_interface_to_router(self.router, subnet=self.subnet)
        self.group = network.create_security_group(name=self.name)
        rule = {"security_group_id": self.group.id, "remote_ip_prefix": "0.0.0.0/0", "ether_type": "IPv4"}
        network.create_security_group_rule(direction="ingress", protocol="tcp", port_range_min=OPEN_PORT, port_range_max=OPEN_PORT, **rule)
        if not any(r["direction"] == "egress" for r in network.get_security_group(self.group).security_group_rules):
            network.create_security_group_rule(direction="egress", **rule)

    # -- instances ----------------------------------------------------------------------------------------

    def launch(self, name: str, *, flavor: str = FLAVOR, image: str = IMAGE, **attributes: Any) -> Box:
        """Ask for an instance with a floating address; the clock starts with the request for the server."""
        compute: Any = self.cloud.compute
        network: Any = self.cloud.network
        port = network.create_port(network_id=self.network.id, security_groups=[self.group.id], name=f"{self.name}-{name}")
        address = network.create_ip(floating_network_id=self.outer.id, port_id=port.id).floating_ip_address
        began = time.monotonic()
        server = compute.create_server(
            name=f"{self.name}-{name}", flavor_id=compute.find_flavor(flavor, ignore_missing=False).id, key_name=self.name,
            image_id=self.cloud.image.find_image(image, ignore_missing=False).id, networks=[{"port": port.id}], **attributes,
        )  # fmt: skip
        box = Box(name, server, port, address, began)
        self._boxes.append(box)
        return box

    def await_active(self, box: Box, timeout: float = 180) -> Box:
        """Raises LzError with Nova's own words when the instance cannot be made."""
        box.server = self.await_status(box, "ACTIVE", timeout)
        box.seconds.setdefault("active", time.monotonic() - box.began)
        return box

    def await_status(self, box: Box, wanted: str, timeout: float = 180) -> Any:
        compute: Any = self.cloud.compute
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            server = compute.get_server(box.server.id)
            if server.status == wanted and not server.task_state:
                return server
            if server.status == "ERROR" and wanted != "ERROR":
                raise LzError(Problem(f"instance {box.name} is in state ERROR", why=str((server.fault or {}).get("message"))))
            time.sleep(0.3)
        raise LzError(Problem(f"instance {box.name} did not become {wanted} within {timeout:.0f} s", why=f"it is {server.status}"))

    def await_ssh(self, box: Box, timeout: float = 180) -> Box:
        """Pin the host key that the console shows, then wait for a login. Raises LzError with the end of the console."""
        compute: Any = self.cloud.compute
        deadline = time.monotonic() + timeout
        keys: list[str] = []
        while not keys and time.monotonic() < deadline:
            with contextlib.suppress(Exception):  # no console yet
                keys = keys_in(compute.get_server_console_output(box.server.id)["output"])
            if not keys:
                time.sleep(0.3)
        with self._known.open("a") as stream:
            stream.writelines(f"{box.address} {key}\n" for key in keys)
        while time.monotonic() < deadline:
            if self.try_ssh(box, "true").returncode == 0:
                box.seconds.setdefault("ssh", time.monotonic() - box.began)
                return box
            time.sleep(0.2)
        console = compute.get_server_console_output(box.server.id)["output"]
        raise LzError(Problem(f"no login to {box.name} within {timeout:.0f} s", where=box.address, why=str(console)[-1500:]))

    def try_ssh(self, box: Box, command: str, timeout: float = 60) -> subprocess.CompletedProcess[str]:
        """Run a shell command inside; the host key must be the pinned one."""
        words = self._ssh_words(box, command)
        try:
            return subprocess.run(words, capture_output=True, text=True, timeout=timeout, check=False, stdin=subprocess.DEVNULL)
        except subprocess.TimeoutExpired:
            return subprocess.CompletedProcess(words, SSH_FAILED, "", f"no end after {timeout:.0f} s")

    def _ssh_words(self, box: Box, command: str) -> list[str]:
        options = {
            "IdentityFile": self._key,
            "UserKnownHostsFile": self._known,
            "GlobalKnownHostsFile": "/dev/null",
            "StrictHostKeyChecking": "yes",
            "BatchMode": "yes",
            "IdentitiesOnly": "yes",
            "ConnectTimeout": "2",
            "ServerAliveInterval": "2",
            "ServerAliveCountMax": "3",
            "LogLevel": "ERROR",
        }
        flags = [word for name, value in options.items() for word in ("-o", f"{name}={value}")]
        return ["ssh", "-F", "none", *flags, f"{USER}@{box.address}", command]

    def ssh(self, box: Box, command: str, timeout: float = 60) -> str:
        """Like try_ssh, but returns the output. Raises LzError when the command fails."""
        done = self.try_ssh(box, command, timeout)
        if done.returncode:
            raise LzError(Problem(f"status {done.returncode} of: {shlex.quote(command)[:200]}", where=box.name, why=done.stderr[-1000:]))
        return done.stdout

    def pipe(self, box: Box, command: str, content: bytes = b"", timeout: float = 60) -> bytes:
        """Run a shell command inside with `content` on its standard input; returns its standard output.

        Raises subprocess.TimeoutExpired after `timeout` seconds, and subprocess.CalledProcessError when the command fails.
        """
        return subprocess.run(self._ssh_words(box, command), input=content, capture_output=True, timeout=timeout, check=True).stdout

    def attach(self, box: Box, volume: Any) -> None:
        """Plug a volume into the running instance."""
        compute: Any = self.cloud.compute
        storage: Any = self.cloud.block_storage
        compute.create_volume_attachment(box.server.id, volume=volume)
        storage.wait_for_status(volume, "in-use", interval=0.5, wait=60)

    def delete(self, box: Box, timeout: float = 120) -> None:
        """Delete the instance with its port and address, and wait until it is gone."""
        compute: Any = self.cloud.compute
        network: Any = self.cloud.network
        compute.delete_server(box.server.id, ignore_missing=True)
        compute.wait_for_delete(box.server, interval=1, wait=timeout)
        for address in network.ips(port_id=box.port.id):
            network.delete_ip(address)
        network.delete_port(box.port.id, ignore_missing=True)
        self._boxes.remove(box)

    # -- end ----------------------------------------------------------------------------------------------

    def _clear(self) -> None:
        """Delete whatever there is, found by name: a run that broke half-way leaves nothing either."""
        compute: Any = self.cloud.compute
        network: Any = self.cloud.network
        for box in list(self._boxes):
            compute.delete_server(box.server.id, ignore_missing=True)
        for box in list(self._boxes):
            self.delete(box)
        router = network.find_router(self.name)
        if router:
            for port in network.ports(device_id=router.id, device_owner="network:router_interface"):
                network.remove_interface_from_router(router, port=port)
            network.delete_router(router)
        inner = network.find_network(self.name)
        if inner:
            for port in network.ports(network_id=inner.id):
                if not port.device_owner:
                    network.delete_port(port)
            network.delete_network(inner)
        group = network.find_security_group(self.name)
        if group:
            network.delete_security_group(group)
        compute.delete_keypair(self.name, ignore_missing=True)
