"""A node of a cluster after a reboot."""

from __future__ import annotations

from landing_zone.effective import in_force
from tests.nodes.node import Node
from tests.nodes.verify.ask import become, parameters, passes_on, rules


def test_a_node_of_kubernetes_routes_for_pods(one: Node) -> None:
    """This kernel has no modules, which must be no reason to fail."""
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
    assert in_force(one.asked.check_output("sshd -T"))["disableforwarding"] == "yes"


def test_as_base_again_it_routes_for_nobody(one: Node) -> None:
    become(one, "base", "kernel", "firewall")
    assert not passes_on(one)
    assert parameters(one)["net.ipv4.ip_forward"] == "0"
    assert "6443" not in rules(one)
