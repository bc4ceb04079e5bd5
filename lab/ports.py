"""Who listens in a region's machine on addresses that others can reach, against what should."""

from __future__ import annotations

from dataclasses import dataclass

from lab.hostnet import DNS_OVER_TLS
from lab.machine import Machine
from lab.settings import SERVICES, Region


@dataclass(frozen=True)
class Ports:
    """missing: ("ADDRESS:PORT", whose it is) without a listener. strange: "ADDRESS:PORT (program)" that nobody should reach."""

    missing: tuple[tuple[str, str], ...]
    strange: tuple[str, ...]


def expected(region: Region) -> dict[str, str]:
    """ADDRESS:PORT -> what is served there: the TLS endpoints, and name service for instances."""
    served = {f"{region.api}:{service.port}": service.name for service in SERVICES}
    return {**served, f"{region.api}:{DNS_OVER_TLS}": "name service by TLS", f"{region.floating[1]}:53": "name service"}


def compare(listening: str, region: Region) -> Ports:
    """Read the output of `ss --tcp --udp --listening --numeric --processes --no-header`. Loopback is the machine's own business."""
    wanted = expected(region)
    found: dict[str, str] = {}
    for line in listening.splitlines():
        words = line.split()
        address, _, _ = words[4].rpartition(":")
        if not address.startswith(("127.", "[::1]")):
            found[words[4]] = words[6].partition('"')[2].partition('"')[0] if len(words) > 6 else "unknown"
    return Ports(
        tuple((place, name) for place, name in wanted.items() if place not in found),
        tuple(f"{place} ({program})" for place, program in sorted(found.items()) if place not in wanted),
    )


def look(machine: Machine, region: Region) -> Ports:
    """As they are now."""
    command = ("ss", "--tcp", "--udp", "--listening", "--numeric", "--processes", "--no-header")
    return compare(machine.inside(*command), region)
