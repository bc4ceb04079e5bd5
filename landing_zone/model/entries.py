"""What zones of the platform take from zones of tenants, by flows and as shared services."""

from __future__ import annotations

from dataclasses import dataclass

from landing_zone.model.ends import End, end, port_range
from landing_zone.model.environment import Environment, Flow

Ports = tuple[int, int]  # first and last
NO_PORTS = (0, 0)  # of icmp


@dataclass(frozen=True)
class Entry:
    """What a zone of the platform takes from one of tenants."""

    source: End
    zone: str
    protocol: str
    ports: Ports

    def permits(self, other: Entry, first: int, last: int) -> bool:
        """Whether these ports of the other's zone are open by this."""
        return (self.zone, self.protocol) == (other.zone, other.protocol) and self.ports[0] <= first and last <= self.ports[1]


def entries(environment: Environment) -> list[Entry]:
    """All of them, one for each range of ports."""
    found: list[Entry] = []
    for flow in environment.flows:
        source, target = end(flow.source), end(flow.target)
        if source.of_tenants and target.of_platform:
            found += [Entry(source, target.name, flow.protocol, ports) for ports in port_ranges(flow)]
    for service in environment.shared_services:
        clients = [client for client in (End("zone", name) for name in service.clients) if client.of_tenants]
        found += [Entry(client, service.zone, transport, (port, port)) for client in clients for transport, port in service.ways]
    return found


def port_ranges(flow: Flow) -> list[Ports]:
    """The ports of a flow."""
    return [port_range(ports) for ports in flow.ports] or [NO_PORTS]
