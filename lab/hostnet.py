"""The lab's lines on the host: one network namespace and one veth pair per region, and a line between the regions.

The host forwards nothing: regions talk to each other over a veth pair of their own. Behind every lab address lies an
`unreachable` route that is set first and removed last, so that a packet for a region that is down goes nowhere.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Sequence
from pathlib import Path

from foundation.process import CommandFailed, run
from lab.settings import LAB_RANGE, SERVICES, Region

NAMESPACES = Path("/run/netns")
UNREACHABLE_METRIC = "4000000000"  # behind every real route

# In: only TLS ports (and DNS over TLS) from outside the machine. Through: host -> floating addresses, region <-> region;
# an instance opens nothing towards the host.
FIREWALL = """
table inet lab
delete table inet lab
table inet lab {{
  chain input {{
    type filter hook input priority filter; policy drop;
    iif lo accept
    ct state established,related accept
    meta l4proto {{ icmp, ipv6-icmp }} accept
    iifname {{ "up0", "wan0", "br-ex" }} tcp dport {{ {ports} }} accept
    iifname "br-ex" meta l4proto {{ tcp, udp }} th dport 53 accept
  }}
  chain forward {{
    type filter hook forward priority filter; policy drop;
    ct state established,related accept
    iifname "up0" oifname "br-ex" accept
    iifname "br-ex" oifname {{ "br-ex", "wan0" }} accept
    iifname "wan0" oifname "br-ex" accept
  }}
}}
"""
DNS_OVER_TLS = 853


def ip(*words: str, netns: str = "") -> str:
    """What `ip` of iproute2 prints, run in a network namespace or ("") on the host."""
    return run(["ip", *(["-n", netns] if netns else []), *words])


def namespaces() -> set[str]:
    """Names of the host's network namespaces, whoever made them."""
    return {entry["name"] for entry in json.loads(ip("-j", "netns", "list") or "[]")}


def links(netns: str = "") -> set[str]:
    """Names of the network devices of a namespace or ("") of the host."""
    return {entry["ifname"] for entry in json.loads(ip("-j", "link", "show", netns=netns) or "[]")}


def ensure_namespace(name: str) -> None:
    """A namespace with nothing but a loopback device that is up."""
    if name not in namespaces():
        ip("netns", "add", name)
    ip("link", "set", "lo", "up", netns=name)


def remove_namespace(name: str) -> None:
    """Remove a namespace if it is there, and with it what lies in it."""
    if name in namespaces():
        ip("netns", "del", name)
    _forget_folder()


def _forget_folder() -> None:
    """`ip netns add` makes the folder of namespaces a mount and leaves it so: with the last namespace it goes as well."""
    if NAMESPACES.is_dir() and not any(NAMESPACES.iterdir()):
        with contextlib.suppress(CommandFailed):  # not a mount
            run(["umount", NAMESPACES])
        with contextlib.suppress(OSError):  # somebody has just made a namespace
            NAMESPACES.rmdir()


def up(region: Region, others: Sequence[Region]) -> None:
    """Lay the lines of `region`, and those to `others` that stand already. Safe to call again."""
    ip("route", "replace", "unreachable", str(LAB_RANGE), "metric", UNREACHABLE_METRIC)
    ensure_namespace(region.netns)
    if region.host_link not in links():
        ip("link", "add", region.host_link, "type", "veth", "peer", "name", "up0", "netns", region.netns)
    ip("address", "replace", str(region.host_side), "dev", region.host_link)
    ip("link", "set", region.host_link, "up")
    ip("address", "replace", f"{region.api}/30", "dev", "up0", netns=region.netns)
    ip("link", "set", "up0", "up", netns=region.netns)
    ip("route", "replace", str(region.floating), "via", str(region.api), "dev", region.host_link)
    ip("route", "replace", "unreachable", "default", "metric", UNREACHABLE_METRIC, netns=region.netns)
    run(["ip", "netns", "exec", region.netns, "sysctl", "-qw", "net.ipv4.ip_forward=1"])
    ports = ", ".join(str(port) for port in (*(s.port for s in SERVICES), DNS_OVER_TLS))
    run(["ip", "netns", "exec", region.netns, "nft", "-f", "-"], stdin=FIREWALL.format(ports=ports))
    for other in others:
        _join(region, other)


def _join(one: Region, two: Region) -> None:
    """Lay the line between two regions once both namespaces are there."""
    if one.netns == two.netns or not {one.netns, two.netns} <= namespaces():
        return
    if "wan0" not in links(one.netns):
        ip("link", "add", "wan0", "netns", one.netns, "type", "veth", "peer", "name", "wan0", "netns", two.netns)
    for here in (one, two):
        ip("address", "replace", str(here.wan), "dev", "wan0", netns=here.netns)
        ip("link", "set", "wan0", "up", netns=here.netns)
    for here, there in ((one, two), (two, one)):
        for target in (there.floating, there.link):
            ip("route", "replace", str(target), "via", str(there.wan.ip), "dev", "wan0", netns=here.netns)


def down(region: Region) -> None:
    """Take the region's lines away, with the routes over them, and its namespace.

    The lines go by themselves with a namespace only when nobody is in it any more: somebody may look into it with a program.
    """
    if region.host_link in links():
        ip("link", "del", region.host_link)
    if region.netns in namespaces() and "wan0" in links(region.netns):
        ip("link", "del", "wan0", netns=region.netns)
    remove_namespace(region.netns)


def forget_range() -> None:
    """Remove the `unreachable` route: the last act of a teardown, when no region is left."""
    with contextlib.suppress(CommandFailed):  # it was not there
        ip("route", "del", "unreachable", str(LAB_RANGE), "metric", UNREACHABLE_METRIC)
