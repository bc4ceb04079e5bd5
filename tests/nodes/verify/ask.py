"""What tests of several profiles ask of a node, or of its surroundings."""

from __future__ import annotations

from collections.abc import Mapping

from foundation.process import run
from lab.hostnet import ip
from landing_zone.effective import in_force
from tests.nodes.node import ADDRESS, OUTSIDE, Node
from tests.nodes.play import play


def become(one: Node, profile: str, *themes: str, **settings: Mapping[str, object]) -> None:
    """Give the node another profile, in the themes that it is about."""
    made = play(one, {**settings, "node_baseline_profile": profile}, themes=themes)
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
