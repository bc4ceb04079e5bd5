"""Instances of the lab as their users see them, and what the machine that runs them has to show for it."""

from __future__ import annotations

import base64
import contextlib
import random
import socket
import struct
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from openstack.connection import Connection
from openstack.exceptions import HttpException

from foundation.errors import LzError
from foundation.process import CommandFailed
from lab import lifecycle
from lab.compute.driver import cow, state
from lab.machine import Machine
from lab.settings import Places, Region
from tests.support import listening as listeners
from tests.support import traces, units
from tests.support.playground import Box, Playground

pytestmark = [pytest.mark.lab, pytest.mark.timeout(600)]

BULK = 20_000_000  # bytes
# A shell line that starts a listener on a port which says the name of its instance to whoever connects.
LISTEN = "sudo systemd-run -q --collect --unit=listen-{0} socat TCP-LISTEN:{0},fork,reuseaddr SYSTEM:hostname"


@pytest.fixture(scope="module")
def uml(where: Places) -> None:
    """Skip, aloud, what only User Mode Linux has."""
    standing = lifecycle.standing(where)
    if standing is None or standing.compute != "uml":
        pytest.skip("the lab's instances do not run by User Mode Linux")


@pytest.fixture(scope="module")
def before(machine: Machine) -> set[str]:
    return traces.of_instances(machine)


@pytest.fixture(scope="module")
def ground(admin: Connection, before: set[str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Playground]:
    with Playground(admin, f"t-compute-{int(time.time())}", tmp_path_factory.mktemp("playground")) as made:
        yield made


@pytest.fixture(scope="module")
def box(ground: Playground) -> Box:
    """One instance that the tests of this module share."""
    return ground.await_ssh(ground.await_active(ground.launch("one")))


@pytest.fixture
def volume(admin: Connection, name: str) -> Iterator[Any]:
    storage: Any = admin.block_storage
    made = storage.wait_for_status(storage.create_volume(size=1, name=name), "available", interval=1, wait=60)
    yield made
    for snapshot in storage.snapshots(volume_id=made.id):
        storage.delete_snapshot(snapshot)
        storage.wait_for_delete(snapshot, interval=1, wait=60)
    storage.delete_volume(made)
    storage.wait_for_delete(made, interval=1, wait=60)


@dataclass
class Balancer:
    """A load balancer of the OVN provider on the playground's network. address: where the host reaches it."""

    cloud: Any
    id: str
    address: str = ""

    def settle(self) -> Any:
        """Wait until it has taken its last change; changes before that are refused."""
        return self.cloud.load_balancer.wait_for_load_balancer(self.id, interval=0.3, wait=120)


@pytest.fixture
def balancer(ground: Playground, name: str) -> Iterator[Balancer]:
    cloud: Any = ground.cloud
    made = cloud.load_balancer.create_load_balancer(name=name, vip_subnet_id=ground.subnet.id, provider="ovn")
    one = Balancer(cloud, made.id)
    try:
        assert one.settle().provisioning_status == "ACTIVE"
        outside = cloud.network.create_ip(floating_network_id=ground.outer.id, port_id=made.vip_port_id)
        one.address = outside.floating_ip_address
        yield one
        cloud.network.delete_ip(outside)
    finally:
        one.settle()
        cloud.load_balancer.delete_load_balancer(made, cascade=True)
        cloud.load_balancer.wait_for_delete(made, interval=0.5, wait=120)


def detach(ground: Playground, box: Box, volume: Any) -> None:
    compute: Any = ground.cloud.compute
    compute.delete_volume_attachment(box.server.id, volume.id)
    deadline = time.monotonic() + 60
    while list(compute.volume_attachments(box.server.id)):  # Cinder is ready a moment before Nova
        assert time.monotonic() < deadline, "the volume does not leave the instance"
        time.sleep(0.3)
    ground.cloud.block_storage.wait_for_status(volume, "available", interval=0.5, wait=60)


@contextlib.contextmanager
def listening(ground: Playground, box: Box, *ports: int) -> Iterator[None]:
    """A listener on each of these ports, every one of them seen to answer inside, while the block runs."""
    try:
        for port in ports:
            ground.ssh(box, LISTEN.format(port))
            assert box.server.name in ground.ssh(box, f"sleep 0.5; socat -T2 - TCP:127.0.0.1:{port}")
        yield
    finally:
        ground.ssh(box, "sudo systemctl stop 'listen-*'")


@contextlib.contextmanager
def permitted(ground: Playground, port: int) -> Iterator[None]:
    """Let everybody come in on a port of the instances while the block runs."""
    network: Any = ground.cloud.network
    rule = network.create_security_group_rule(
        security_group_id=ground.group.id, direction="ingress", protocol="tcp", port_range_min=port, port_range_max=port, ether_type="IPv4"
    )
    try:
        yield
    finally:
        network.delete_security_group_rule(rule)


def answer(address: str, port: int) -> str:
    """What a listener says to the host within three seconds, "" when there is no answer."""
    try:
        with socket.create_connection((address, port), timeout=3) as connection:
            return connection.recv(100).decode().strip()
    except OSError:
        return ""


def await_answer(address: str, port: int, wanted: str) -> None:
    deadline = time.monotonic() + 20
    while (said := answer(address, port)) != wanted:
        assert time.monotonic() < deadline, f"port {port} of {address} says {said!r} and not {wanted!r}"


def by_id(volume: Any) -> str:
    return f"/dev/disk/by-id/virtio-{volume.id[:20]}"


def test_an_instance_is_what_its_flavor_and_image_say(ground: Playground, box: Box) -> None:
    assert ground.ssh(box, "nproc").strip() == "1"
    memory = int(ground.ssh(box, "awk '/MemTotal/ {print $2}' /proc/meminfo"))
    assert 900_000 < memory <= 1 << 20
    disk = int(ground.ssh(box, "df --output=size -B1 / | tail -1"))
    assert 4.5e9 < disk < 5.4e9
    assert ground.ssh(box, "hostname").strip() == box.server.name
    assert ground.ssh(box, "systemctl is-system-running --wait").strip() == "running"
    assert ground.ssh(box, "sudo -n id -u").strip() == "0"


def test_nobody_logs_in_with_a_password(ground: Playground, box: Box) -> None:
    assert ground.ssh(box, "sudo awk -F: '$2 !~ /^[!*]/ {print $1}' /etc/shadow").strip() == ""
    assert "passwordauthentication no" in ground.ssh(box, "sudo sshd -T")


def test_a_login_with_another_host_key_is_refused(ground: Playground, box: Box, tmp_path: Path) -> None:
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", tmp_path / "other"], check=True)
    known = ground._known.read_text()
    try:
        ground._known.write_text(f"{box.address} {' '.join((tmp_path / 'other.pub').read_text().split()[:2])}\n")
        assert ground.try_ssh(box, "true").returncode == 255
    finally:
        ground._known.write_text(known)
    assert ground.try_ssh(box, "true").returncode == 0


def test_the_security_group_holds(ground: Playground, box: Box) -> None:
    """The same listener on two ports: the permitted one answers, the other does not."""
    with listening(ground, box, 8001, 8002), permitted(ground, 8001):
        await_answer(box.address, 8001, box.server.name)
        assert answer(box.address, 8002) == ""


def test_a_load_balancer_hands_connections_to_its_member(ground: Playground, box: Box, balancer: Balancer) -> None:
    """By the OVN provider, through a floating address: nobody answers before there is a member, then the member does."""
    api: Any = ground.cloud.load_balancer
    listener = api.create_listener(load_balancer_id=balancer.id, protocol="TCP", protocol_port=80)
    balancer.settle()
    pool = api.create_pool(listener_id=listener.id, protocol="TCP", lb_algorithm="SOURCE_IP_PORT")
    balancer.settle()
    with listening(ground, box, 8003), permitted(ground, 8003):
        await_answer(box.address, 8003, box.server.name)
        assert answer(balancer.address, 80) == ""
        inside = box.port.fixed_ips[0]
        api.create_member(pool, address=inside["ip_address"], protocol_port=8003, subnet_id=inside["subnet_id"])
        balancer.settle()
        await_answer(balancer.address, 80, box.server.name)


def test_bulk_traffic_passes_a_floating_address_both_ways(ground: Playground, box: Box) -> None:
    """Where large packets are lost a login works all the same, and the transfer hangs: it has a minute each way."""
    content = random.Random(BULK).randbytes(BULK)
    assert int(ground.pipe(box, "tee /var/tmp/bulk | wc -c", content)) == BULK
    assert ground.pipe(box, "cat /var/tmp/bulk; rm /var/tmp/bulk") == content


def test_an_instance_reaches_services_and_the_other_region_and_nothing_else(
    ground: Playground, box: Box, regions: tuple[Region, ...], north: Region, machine: Machine
) -> None:
    """The group of the instance lets everything out: what is not reached is stopped by the lab's lines. Whoever is not reached listens.

    That no line leads beyond the host is looked at in tests/lab/test_isolation.py: nobody would answer there in any case.
    """

    def reached(address: object, port: int) -> bool:
        return ground.try_ssh(box, f"timeout 4 bash -c 'exec 3<>/dev/tcp/{address}/{port}'").returncode == 0

    for region in regions:
        assert reached(region.api, 5000), region.name
    with socket.create_server((str(north.host_side.ip), 0)) as listener:
        port = listener.getsockname()[1]
        socket.create_connection((str(north.host_side.ip), port), timeout=2).close()
        assert not reached(north.host_side.ip, port), "an instance reaches the host"
    with listeners.inside(machine, north.api, 7778):
        assert not reached(north.api, 7778), "an instance reaches a port of the machine that is no service's"


def test_cloud_init_can_read_what_the_metadata_service_tells_an_instance(ground: Playground, box: Box) -> None:
    """By its own reader. The lab gives every instance a config drive; on another cloud one may have none."""
    reading = "from cloudinit.sources.helpers.openstack import MetadataReader as R; print(R('http://169.254.169.254').read_v2()['metadata']['uuid'])"
    assert ground.ssh(box, f'python3 -c "{reading}"').strip() == box.server.id


def test_a_volume_keeps_its_data_and_leaves_when_it_is_not_in_use(ground: Playground, box: Box, volume: Any) -> None:
    ground.attach(box, volume)
    ground.ssh(box, f"sudo mkfs.ext4 -q {by_id(volume)} && sudo mount {by_id(volume)} /mnt && echo kept | sudo tee /mnt/file && sudo sync")
    ground.ssh(box, "sudo umount /mnt")
    detach(ground, box, volume)
    assert ground.try_ssh(box, f"test -e {by_id(volume)}").returncode != 0
    ground.attach(box, volume)
    assert ground.ssh(box, f"sudo mount {by_id(volume)} /mnt && cat /mnt/file").strip() == "kept"
    ground.ssh(box, "sudo umount /mnt")
    detach(ground, box, volume)


def test_a_snapshot_of_a_volume_in_use(ground: Playground, box: Box, volume: Any) -> None:
    storage: Any = ground.cloud.block_storage
    ground.attach(box, volume)
    ground.ssh(box, f"echo first | sudo dd of={by_id(volume)} conv=notrunc,fsync status=none")
    snapshot = storage.create_snapshot(volume_id=volume.id, is_forced=True, name=volume.name)
    storage.wait_for_status(snapshot, "available", interval=0.5, wait=90)
    ground.ssh(box, f"echo later | sudo dd of={by_id(volume)} conv=notrunc,fsync status=none")
    storage.delete_snapshot(snapshot)
    storage.wait_for_delete(snapshot, interval=1, wait=90)
    assert ground.ssh(box, f"sudo head -c 5 {by_id(volume)}") == "later"
    detach(ground, box, volume)
    ground.attach(box, volume)
    assert ground.ssh(box, f"sudo head -c 5 {by_id(volume)}") == "later"
    detach(ground, box, volume)


@pytest.mark.usefixtures("uml")
def test_a_header_forged_into_a_volume_means_nothing(ground: Playground, box: Box, volume: Any) -> None:
    """A guest that makes its volume look like a copy-on-write file over one of the machine's own gets its own bytes back."""
    ground.attach(box, volume)
    header = struct.pack(">IIIQIII", cow.MAGIC, 3, 0, 64 << 30, 512, 4096, 0) + b"/etc/nova/nova.conf".ljust(4096, b"\0")
    text = base64.b64encode(header).decode()
    ground.ssh(box, f"echo {text} | base64 -d | sudo dd of={by_id(volume)} conv=notrunc,fsync status=none")
    detach(ground, box, volume)
    ground.attach(box, volume)
    assert ground.ssh(box, f"sudo blockdev --getsize64 {by_id(volume)}").strip() == str(1 << 30)
    assert ground.ssh(box, f"sudo head -c {len(header)} {by_id(volume)} | base64 -w0") == text
    detach(ground, box, volume)


def test_an_image_that_names_a_file_of_the_machine_is_refused(ground: Playground, admin: Connection, name: str, tmp_path: Path) -> None:
    evil = tmp_path / "evil.qcow2"
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", "-u", "-b", "/etc/shadow", "-F", "raw", evil, "1G"], check=True)
    image: Any = admin.image
    made = None
    try:
        made = image.create_image(name, filename=str(evil), disk_format="qcow2", container_format="bare", wait=True)
    except HttpException as refused:  # as early as in Glance
        if refused.status_code not in {400, 415}:
            raise
        return
    try:
        box = ground.launch("evil", image=made.id)
        with pytest.raises(LzError, match="ERROR"):
            ground.await_active(box)
        ground.delete(box)
    finally:
        image.delete_image(made)


def test_reboots_from_inside_and_outside(ground: Playground, box: Box) -> None:
    """The same disk, the same host key, another run of the kernel."""
    ground.ssh(box, "echo here | sudo tee /root/mark")
    for how in ("inside", "SOFT", "HARD"):
        before = ground.ssh(box, "cat /proc/sys/kernel/random/boot_id")
        if how == "inside":
            ground.try_ssh(box, "sudo systemctl reboot")
        else:
            ground.cloud.compute.reboot_server(box.server.id, how)
        deadline = time.monotonic() + 120
        while True:
            done = ground.try_ssh(box, "cat /proc/sys/kernel/random/boot_id && sudo cat /root/mark")
            if done.returncode == 0 and done.stdout.split()[0] != before.strip():
                break
            assert time.monotonic() < deadline, f"no login after a reboot ({how})"
            time.sleep(0.5)
        assert done.stdout.split()[1] == "here"
        ground.await_status(box, "ACTIVE")


def test_pause_and_stop_and_start(ground: Playground, box: Box) -> None:
    compute: Any = ground.cloud.compute
    compute.pause_server(box.server.id)
    ground.await_status(box, "PAUSED")
    assert ground.try_ssh(box, "true").returncode != 0
    compute.unpause_server(box.server.id)
    ground.await_status(box, "ACTIVE")
    assert ground.try_ssh(box, "true").returncode == 0
    ground.ssh(box, "sudo dmesg --clear")
    compute.stop_server(box.server.id)
    ground.await_status(box, "SHUTOFF")
    compute.start_server(box.server.id)
    ground.await_status(box, "ACTIVE")
    ground.await_ssh(box)
    assert "recovery" not in ground.ssh(box, "sudo dmesg | grep -i ext4"), "the disk was not cleanly unmounted"


def test_switching_itself_off_is_noticed(ground: Playground, box: Box) -> None:
    ground.try_ssh(box, "sudo systemctl poweroff")
    ground.await_status(box, "SHUTOFF", timeout=60)
    ground.cloud.compute.start_server(box.server.id)
    ground.await_status(box, "ACTIVE")
    ground.await_ssh(box)


def test_a_second_port_comes_and_goes(ground: Playground, box: Box) -> None:
    compute: Any = ground.cloud.compute
    port = ground.cloud.network.create_port(network_id=ground.network.id, name=f"{ground.name}-second")
    compute.create_server_interface(box.server.id, port_id=port.id)
    deadline = time.monotonic() + 60
    while port.mac_address not in ground.ssh(box, "cat /sys/class/net/*/address"):
        assert time.monotonic() < deadline, "the port does not show in the guest"
        time.sleep(0.5)
    compute.delete_server_interface(port.id, server=box.server.id)
    while port.mac_address in ground.ssh(box, "cat /sys/class/net/*/address"):
        assert time.monotonic() < deadline, "the port does not leave the guest"
        time.sleep(0.5)
    ground.cloud.network.delete_port(port.id, ignore_missing=True)


def test_a_snapshot_starts_as_a_new_instance(ground: Playground, box: Box, admin: Connection, name: str) -> None:
    image: Any = admin.image
    ground.ssh(box, f"echo {name} | sudo tee /root/in-the-snapshot && sync")
    made = ground.cloud.compute.create_server_image(box.server.id, name, wait=True, timeout=180)
    try:
        assert image.get_image(made.id).disk_format == "qcow2"
        twin = ground.await_ssh(ground.await_active(ground.launch("twin", image=made.id)))
        assert ground.ssh(twin, "sudo cat /root/in-the-snapshot").strip() == name
        assert ground.ssh(twin, "cat /etc/machine-id /etc/ssh/ssh_host_ed25519_key.pub") != ground.ssh(
            box, "cat /etc/machine-id /etc/ssh/ssh_host_ed25519_key.pub"
        )
        ground.delete(twin)
    finally:
        image.delete_image(made)


def test_a_resize_gives_a_bigger_machine(ground: Playground, box: Box) -> None:
    compute: Any = ground.cloud.compute
    bigger = compute.find_flavor("SCS-1V-2-5", ignore_missing=False)
    compute.resize_server(box.server.id, bigger.id)
    ground.await_status(box, "VERIFY_RESIZE", timeout=240)
    compute.confirm_server_resize(box.server.id)
    ground.await_status(box, "ACTIVE")
    ground.await_ssh(box)
    assert int(ground.ssh(box, "awk '/MemTotal/ {print $2}' /proc/meminfo")) > 1_900_000


@pytest.mark.usefixtures("uml")
def test_the_process_of_an_instance_is_nobody(ground: Playground, box: Box, machine: Machine) -> None:
    """Own user, no capability, no way to more, its own files and nothing else of the machine in sight."""
    unit = f"nova-{box.server.id}.service"
    pid = units.shown(machine, unit, "MainPID")
    status = dict(line.split(":\t", 1) for line in machine.inside("cat", f"/proc/{pid}/status").splitlines() if ":\t" in line)
    assert state.FIRST_USER < int(status["Uid"].split()[0]) <= state.LAST_USER
    assert int(status["CapEff"], 16) == int(status["CapPrm"], 16) == int(status["CapBnd"], 16) == 0
    assert status["NoNewPrivs"] == "1"
    assert set(machine.inside("ls", f"/proc/{pid}/root/var/lib/nova/instances").split()) == {box.server.id, "_base"}
    assert len(machine.inside("ls", f"/proc/{pid}/root/var/lib/nova/instances/_base").split()) == 1
    for hidden in ("/etc/nova", "/etc/shadow", "/root", "/var/lib/mysql", "/var/lib/glance"):
        with pytest.raises(CommandFailed):
            machine.inside("ls", f"/proc/{pid}/root{hidden}")


@pytest.mark.usefixtures("uml")
def test_the_process_of_an_instance_has_no_network_of_the_machine(ground: Playground, box: Box, machine: Machine) -> None:
    knock = ["bash", "-c", "exec 3<>/dev/tcp/127.0.0.1/3306"]
    machine.inside(*knock)
    user = str(state.FIRST_USER + 1)
    with pytest.raises(CommandFailed):
        machine.inside("setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups", *knock)


def test_deleting_everything_leaves_nothing_on_the_machine(ground: Playground, box: Box, before: set[str], machine: Machine) -> None:
    ground.delete(box)
    deadline = time.monotonic() + 30
    while left := traces.of_instances(machine) - before:
        # Neutron's own tap of the network's metadata port goes a moment after its last instance.
        assert time.monotonic() < deadline, f"left behind: {left}"
        time.sleep(1)
