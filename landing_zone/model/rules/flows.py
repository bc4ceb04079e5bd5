"""Flows: between zones that exist, never from tenant to tenant, to the world at the border only, to partners by the exchange only."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from landing_zone.model.complaints import Finding
from landing_zone.model.document import Path_
from landing_zone.model.ends import End, end, port_range
from landing_zone.model.entries import entries, port_ranges
from landing_zone.model.environment import Environment, Flow, SharedService, Tenant
from landing_zone.model.levels import zones

_SSH = 22
_EXCHANGE = "exchange"
_ALLOWED_AT = {"partner": _EXCHANGE, "office": "internal"}


def ends(environment: Environment) -> Iterator[Finding]:
    """Both ends of a flow are known."""
    tenants = {tenant.code: tenant for tenant in environment.tenants}
    destinations = [destination.name for destination in environment.destinations]
    for path, side, _ in _sides(environment):
        if side.kind == "destination" and side.name not in destinations:
            why = f"zones: {', '.join(environment.zone_names)}; destinations: {', '.join(destinations) or 'none'}"
            yield Finding(path, f"{path[-1]}: unknown zone or destination {side.name!r}", why, "name one of them, or declare a destination")
        if side.kind == "zone" and side.name not in environment.zone_names:
            why = f"the environment has {', '.join(environment.zone_names)}"
            yield Finding(path, f"{path[-1]}: unknown zone {side.name!r}", why, "name one of them, or add it to the environment's `zones`")
        elif side.tenant is not None and zones()[side.name].scope == "platform":
            yield Finding(
                path, f"{path[-1]}: {side.name} is not a zone for tenants", "it is run by the platform", f"write {side.name} alone"
            )
        elif side.tenant is not None and side.tenant not in tenants:
            yield Finding(path, f"{path[-1]}: unknown tenant {side.tenant!r}", cure="name the code of a tenant before the /")
        elif side.tenant is not None and side.name not in environment.zones_for(tenants[side.tenant]):
            why = f"it has {', '.join(environment.zones_for(tenants[side.tenant]))}"
            yield Finding(
                path, f"{path[-1]}: tenant {side.tenant} has no zone {side.name}", why, "name one of them, or add it to the tenant's zones"
            )


def meetings(environment: Environment) -> Iterator[Finding]:
    """No flow joins two tenants, and none leads to or from outside but where it may."""
    kinds: dict[str, str] = {destination.name: destination.kind for destination in environment.destinations}
    for index, flow in enumerate(environment.flows):
        source, target = end(flow.source), end(flow.target)
        for key, here, there in (("from", source, target), ("to", target, source)):
            path = ("flows", index, key)
            if here.kind != "zone" and there.kind != "zone":
                yield Finding(path, f"{key}: a flow has a zone at one end at least", f"{flow.source} -> {flow.target}", "name a zone")
                break
            yield from _outside(path, here, there, kinds)
        if source.tenant and target.tenant and source.tenant != target.tenant:
            why = f"{source.tenant} and {target.tenant} meet in the exchange zone only (control NET-04)"
            cure = f"write two flows by way of {_EXCHANGE}: {flow.source} to {_EXCHANGE}, {_EXCHANGE} to {flow.target}"
            yield Finding(("flows", index, "to"), "to: the flow would join two tenants", why, cure)


def isolated(environment: Environment) -> Iterator[Finding]:
    """What stands behind the router without a way out meets zones of the platform only: no other router knows the way."""
    why = "it stands behind a router without a way out, which only zones of the platform can reach"
    for path, here, there in _sides(environment):
        if _is_isolated(there) and not here.of_platform:
            cure = f"name a zone of the platform, or lead it by way of one that {there.name} meets"
            yield Finding(path, f"{path[-1]}: {there.name} meets zones of the platform only", why, cure)
    for index, service in enumerate(environment.shared_services):
        for place, client in enumerate(service.clients):
            if zones()[service.zone].isolated and zones()[client].scope != "platform":
                at = ("shared_services", index, "clients", place)
                yield Finding(at, f"clients: {service.zone} meets zones of the platform only", why, "let the service stand elsewhere")


def ways_out(environment: Environment) -> Iterator[Finding]:
    """Of the tenants that a flow joins with the outside one at least has a way there: a zone at the border."""
    border = {name for name, zone in zones().items() if zone.external}
    for path, here, there in _sides(environment):
        having = [tenant for tenant in environment.tenants if _stands_for(here, tenant, environment)]
        if there.kind == "destination" and having and not any(border & {*environment.zones_for(tenant)} for tenant in having):
            why = f"of the tenants that have the zone {here.name} none has {', '.join(border)}: their routers know no way to {there.name}"
            cure = f"give one {', '.join(border)}, or lead it by way of a zone of the platform"
            yield Finding(path, f"{path[-1]}: nobody there has a way to the outside", why, cure)


def past_the_platform(environment: Environment) -> Iterator[Finding]:
    """What goes out to the world is nothing that a platform zone takes from other zones of tenants: among all addresses are its own."""
    taken = entries(environment)
    for index, flow in enumerate(environment.flows):
        source = end(flow.source)
        if end(flow.target).kind != "world" or source.kind != "zone":
            continue
        own = [each for each in taken if each.source.name == source.name and each.source.tenant in (None, source.tenant)]
        for each in (each for each in taken if each.source.tenant is None and each.protocol == flow.protocol):
            for ports in port_ranges(flow):
                first, last = max(ports[0], each.ports[0]), min(ports[1], each.ports[1])
                if first <= last and not any(one.permits(each, first, last) for one in own):
                    what = flow.protocol if flow.protocol == "icmp" else f"{flow.protocol} {first}" + (f"-{last}" if first < last else "")
                    why = f"{each.zone} takes {what} from {each.source.name}, by a rule for all tenants; the world has its addresses, too"
                    cure = f"take other ports, or let {source.name} meet {each.zone} too"
                    yield Finding(("flows", index, "to"), f"to: the flow would lead to the zone {each.zone} as well", why, cure)


def protocols(environment: Environment) -> Iterator[Finding]:
    """Ports stand where the protocol has ports; port 22 and the probes' forbidden port are never opened by a flow."""
    for index, flow in enumerate(environment.flows):
        path = ("flows", index, "ports")
        if flow.protocol == "icmp" and flow.ports:
            yield Finding(path, "ports: icmp has no ports", cure="remove ports, or choose tcp or udp")
        if flow.protocol != "icmp" and not flow.ports:
            yield Finding(
                path, "the key 'ports' is missing", f"{flow.protocol} needs at least one port", "write the ports that the target listens on"
            )
        for place, ports in enumerate(flow.ports):
            yield from _forbidden(environment, flow, (*path, place), port_range(ports))
    if environment.verification.forbidden_port == _SSH:
        yield Finding(
            ("verification", "forbidden_port"), "forbidden_port: probes are reached by SSH on port 22", cure="choose another port"
        )


def services(environment: Environment) -> Iterator[Finding]:
    """Shared services stand in platform zones that the environment has, and so do their clients."""
    for index, service in enumerate(environment.shared_services):
        path = ("shared_services", index)
        if zones()[service.zone].scope != "platform":
            yield Finding(
                (*path, "zone"),
                f"zone: {service.zone} belongs to tenants",
                "shared services stand in platform zones",
                "name a platform zone",
            )
        elif service.zone not in environment.zone_names:
            why = f"the environment has {', '.join(environment.zone_names)}"
            yield Finding((*path, "zone"), f"zone: the environment has no zone {service.zone}", why, "add it to the environment's `zones`")
        for place, client in enumerate(service.clients):
            if client not in environment.zone_names:
                why = f"the environment has {', '.join(environment.zone_names)}"
                yield Finding((*path, "clients", place), f"clients: the environment has no zone {client}", why, "name one of them")
        yield from _service_ports(environment, service, path)


def _service_ports(environment: Environment, service: SharedService, path: Path_) -> Iterator[Finding]:
    for place, port in enumerate(service.ports):
        if port == environment.verification.forbidden_port or (port == _SSH and ("tcp", port) in service.ways):
            yield Finding(
                (*path, "ports", place), f"ports: {port} is kept", "22 for the bastion, forbidden_port for probes", "choose another port"
            )


def _forbidden(environment: Environment, flow: Flow, path: Path_, ports: tuple[int, int]) -> Iterator[Finding]:
    if flow.protocol == "tcp" and ports[0] <= _SSH <= ports[1]:
        yield Finding(
            path, "ports: port 22 is open from the bastion only", "control IAM-09", "remove port 22; the bastion reaches every instance"
        )
    forbidden = environment.verification.forbidden_port
    if ports[0] <= forbidden <= ports[1]:
        why = f"probes listen on {forbidden} (verification.forbidden_port) to show that it is blocked"
        yield Finding(
            path, f"ports: a flow opens the forbidden_port {forbidden}", why, "choose another forbidden_port, or leave it out here"
        )


def _outside(path: Path_, here: End, there: End, kinds: dict[str, str]) -> Iterator[Finding]:
    """What `here`, an end of `kind` world or destination, may be joined to."""
    if there.kind != "zone" or there.name not in zones():
        return
    if here.kind == "world" and not zones()[there.name].external:
        border = ", ".join(name for name, zone in zones().items() if zone.external)
        yield Finding(
            path,
            f"{path[-1]}: the world meets the zone {border} only",
            f"{there.name} is not at the border (control NET-02)",
            f"lead it through {border}",
        )
    gate = _ALLOWED_AT.get(kinds.get(here.name, "")) if here.kind == "destination" else None
    if gate and there.name != gate:
        reason = "the flow would skip the exchange gateway" if gate == _EXCHANGE else f"{here.name} is an office"
        yield Finding(
            path, f"{path[-1]}: {here.name} meets the zone {gate} only", f"{reason} (control NET-09)", f"write two flows by way of {gate}"
        )


def _stands_for(side: End, tenant: Tenant, environment: Environment) -> bool:
    return side.kind == "zone" and side.tenant in (None, tenant.code) and side.name in environment.zones_for(tenant)


def _is_isolated(side: End) -> bool:
    return side.kind == "zone" and side.name in zones() and zones()[side.name].isolated


def _sides(environment: Environment) -> Iterator[tuple[Path_, End, End]]:
    """Each end of every flow: where it is written, itself, and the other."""
    for index, flow in enumerate(environment.flows):
        source, target = end(flow.source), end(flow.target)
        yield ("flows", index, "from"), source, target
        yield ("flows", index, "to"), target, source


RULES: tuple[Callable[[Environment], Iterator[Finding]], ...] = (
    ends,
    meetings,
    isolated,
    ways_out,
    past_the_platform,
    protocols,
    services,
)
