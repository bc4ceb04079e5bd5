"""A host of instances after a reboot."""

from __future__ import annotations

from tests.nodes.node import Node
from tests.nodes.verify.ask import parameters, passes_on, rules


def test_a_host_of_instances_routes_for_them(one: Node) -> None:
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
