"""What each profile lifts is in force on a node, what it does not lift holds, and nothing of it stays with the next profile.

One node goes from `base` through all of them; each run is of the themes that its profile is about.
"""

from __future__ import annotations

import contextlib
import shutil
import time
from collections.abc import Mapping
from pathlib import Path

import pytest

from foundation.process import CommandFailed, run
from lab.hostnet import ip
from landing_zone.effective import in_force
from tests.nodes.hardened import OPEN, Hardened
from tests.nodes.node import ADDRESS, OUTSIDE, Node
from tests.nodes.play import play, sender

pytestmark = pytest.mark.timeout(1800)


def become(one: Node, profile: str, *themes: str, **settings: Mapping[str, object]) -> None:
    """Give the node another profile, in the themes that it is about."""
    made = play(one, {**OPEN, **settings, "node_baseline_profile": profile}, themes=themes)
    assert made.good, made.tail


def outside(one: Node, *command: str, stdin: str | None = None) -> str:
    """Run a program beside the node, on its network."""
    return run(["nsenter", f"--net=/run/netns/{one.netns}", *command], stdin=stdin, timeout=60)


def passes_on(one: Node) -> bool:
    """Whether a packet from a machine behind the node, as a pod or an instance is, reaches one on its other side."""
    behind = [
        "ip netns add pod", "ip link add pod0 type veth peer name eth0 netns pod",
        "ip addr add 10.99.0.1/24 dev pod0", "ip link set pod0 up",
        "ip -n pod addr add 10.99.0.2/24 dev eth0", "ip -n pod link set eth0 up", "ip -n pod route add default via 10.99.0.1",
    ]  # fmt: skip
    one.inside("sh", "-ec", "; ".join(behind))
    ip("route", "replace", "10.99.0.0/24", "via", ADDRESS, netns=one.netns)
    try:
        return " 0% packet loss" in one.inside("sh", "-c", f"ip netns exec pod ping -c 3 -i 0.3 -W 1 {OUTSIDE}; [ $? -le 1 ]")
    finally:
        one.inside("sh", "-c", "ip netns del pod; ip link del pod0 2>/dev/null; true")


def parameters(one: Node) -> dict[str, str]:
    """Kernel parameters of the network that are in force."""
    return in_force(one.asked.check_output("sysctl -a --pattern %s", "^net[.]ipv[46]"))


def rules(one: Node) -> str:
    """Of the packet filter, as they are in force."""
    return str(one.asked.check_output("nft list table inet node_baseline"))


def through(one: Node, *options: str) -> str:
    """What the node's own SSH server says when it is reached through the node."""
    return run(["ssh", "-F", one.ssh_config, *options, "-W", "127.0.0.1:22", "node"], stdin="", timeout=60)


def test_a_node_of_base_is_no_way_to_another(hardened: Hardened) -> None:
    assert not passes_on(hardened.node)
    with pytest.raises(CommandFailed):
        through(hardened.node)


def test_a_bastion_passes_connections_on_and_nothing_else(hardened: Hardened) -> None:
    one = hardened.node
    become(one, "bastion", "ssh")
    assert through(one).startswith("SSH-2.0")
    with pytest.raises(CommandFailed, match="remote port forwarding failed"):
        one.ssh("true", options=("-o", "ExitOnForwardFailure=yes", "-R", "127.0.0.1:9999:127.0.0.1:22"))
    effective = in_force(one.asked.check_output("sshd -T"))
    expected = {
        "disableforwarding": "no", "allowtcpforwarding": "local", "allowagentforwarding": "no", "allowstreamlocalforwarding": "no",
        "x11forwarding": "no", "permittunnel": "no", "gatewayports": "no",
    }  # fmt: skip
    assert {key: effective[key] for key in expected} == expected


def test_a_node_of_kubernetes_routes_for_pods(hardened: Hardened) -> None:
    """This kernel has no modules, which must be no reason to fail."""
    one = hardened.node
    become(one, "kubernetes", "ssh", "kernel", "firewall")
    assert passes_on(one)
    effective = parameters(one)
    expected = {
        "net.ipv4.ip_forward": "1", "net.ipv4.conf.default.forwarding": "1", "net.ipv6.conf.all.forwarding": "1",
        "net.ipv4.conf.all.rp_filter": "0", "net.ipv4.conf.default.rp_filter": "1", "net.ipv4.conf.all.accept_redirects": "0",
    }  # fmt: skip
    assert {key: effective[key] for key in expected} == expected
    assert "net.bridge.bridge-nf-call-iptables = 1" in one.inside("cat", "/etc/sysctl.d/zz-node-baseline.conf")
    assert "br_netfilter" in one.inside("cat", "/etc/modules-load.d/node-baseline.conf")
    modules = one.inside("modprobe", "--showconfig").splitlines()
    assert "install overlay /bin/false" not in modules
    assert "install squashfs /bin/false" in modules
    openings = rules(one)
    assert "chain forward" not in openings
    for words in ("tcp dport 6443 ", "tcp dport 2379-2380 ", "tcp dport 10250 ", "udp dport { 4789, 8472 } ", "policy drop"):
        assert words in openings
    assert in_force(one.asked.check_output("sshd -T"))["disableforwarding"] == "yes", "what the bastion had lifted is still lifted"


def test_a_host_of_instances_routes_for_them(hardened: Hardened) -> None:
    one = hardened.node
    become(one, "openstack_host", "kernel", "firewall")
    assert passes_on(one)
    effective = parameters(one)
    expected = {"net.ipv4.ip_forward": "1", "net.ipv6.conf.all.forwarding": "1", "net.ipv4.conf.all.rp_filter": "2"}
    assert {key: effective[key] for key in expected} == expected
    assert "br_netfilter" not in one.inside("cat", "/etc/modules-load.d/node-baseline.conf")
    openings = rules(one)
    assert "chain forward" not in openings
    for words in ("udp dport { 4789, 6081 } ", "tcp dport 49152-49215 ", "policy drop"):
        assert words in openings
    assert "6443" not in openings


def test_a_log_collector_takes_messages_from_those_with_a_certificate_alone(hardened: Hardened) -> None:
    one = hardened.node
    become(one, "log_collector", "kernel", "firewall", "logging", node_baseline_logging=taking(one))
    with contextlib.suppress(CommandFailed):  # the node hangs up, which a sender may not notice
        send(one, "somebody without a certificate")
    send(one, "somebody with a certificate", sender(one.home, "somebody"))
    assert "somebody without" not in arrived(one, "somebody with a certificate")
    assert not passes_on(one), "what other profiles had lifted is still lifted"
    assert parameters(one)["net.ipv4.ip_forward"] == "0"
    assert "6081" not in rules(one)


def test_a_log_collector_takes_messages_from_named_senders_alone(hardened: Hardened) -> None:
    one = hardened.node
    become(one, "log_collector", "firewall", "logging", node_baseline_logging={**taking(one), "permitted_senders": ["friend"]})
    with contextlib.suppress(CommandFailed):
        send(one, "a certificate in the name of a stranger", sender(one.home, "stranger"))
    send(one, "a certificate in the name of a friend", sender(one.home, "friend"))
    assert "in the name of a stranger" not in arrived(one, "in the name of a friend")


def taking(one: Node) -> dict[str, object]:
    """Give the node a collector's certificate and key; settings by which it takes logs from all whose certificates that one signed."""
    files = {"certificate_file": "/etc/rsyslog.tls/certificate.pem", "key_file": "/etc/rsyslog.tls/key.pem"}
    for place, kept in zip(files.values(), ("collector.pem", "collector.key"), strict=True):
        shutil.copy(one.home / kept, one.root / place.lstrip("/"))
    return {"collector_ca": (one.home / "collector.pem").read_text(), **files}


def send(one: Node, text: str, certificate: tuple[Path, Path] | None = None) -> None:
    """One message to the node's port for logs, over TLS. certificate: whose, and its key."""
    words = ["openssl", "s_client", "-quiet", "-no_ign_eof", "-connect", f"{ADDRESS}:6514", "-CAfile", str(one.home / "collector.pem")]
    known = ["-cert", str(certificate[0]), "-key", str(certificate[1])] if certificate else []
    outside(one, *words, *known, stdin=f"<14>1 2026-11-28T00:00:00Z sender test - - - {text}\n")


def arrived(one: Node, text: str) -> str:
    """The node's log, once the text is in it. Raises AssertionError when it does not come within 20 s."""
    deadline, log = time.monotonic() + 20, ""
    while text not in log:
        assert time.monotonic() < deadline, f"{text!r} did not arrive"
        log = one.inside("cat", "/var/log/syslog")
    return log
