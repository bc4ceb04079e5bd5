"""The address book: every prefix and every fixed address of a plan, as a table, CSV and HTML."""

from __future__ import annotations

import csv
import html
import io
from collections.abc import Iterator
from dataclasses import astuple, dataclass, fields

from landing_zone.planners.plan import EnvironmentPlan, InstanceSpec, NetworkLayer, RegionPlan, RouterSpec


@dataclass(frozen=True)
class Entry:
    """One line: a subnet, or an address of a router or an instance; `owner` is a tenant's code or `platform`."""

    region: str
    owner: str
    agency_code: str
    agency: str
    level: int
    zone: str
    kind: str
    name: str
    family: str
    address: str
    gateway: str
    pool: str


def entries(plan: EnvironmentPlan) -> tuple[Entry, ...]:
    """The address book of a plan, by region, owner and zone."""
    return tuple(entry for region in plan.regions.values() for entry in _region(plan, region))


def csv_text(plan: EnvironmentPlan) -> str:
    """The address book as CSV with a head line."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([field.name for field in fields(Entry)])
    writer.writerows(astuple(entry) for entry in entries(plan))
    return text.getvalue()


def html_text(plan: EnvironmentPlan) -> str:
    """The address book as one HTML page that needs nothing else."""
    heads = "".join(f"<th>{field.name.replace('_', ' ')}</th>" for field in fields(Entry))
    rows = "\n".join("<tr>" + "".join(f"<td>{html.escape(str(cell))}</td>" for cell in astuple(entry)) + "</tr>" for entry in entries(plan))
    title = html.escape(f"Address book of {plan.name_en} ({plan.code})")
    return (
        f'<!doctype html>\n<html lang="en">\n<head><meta charset="utf-8"><title>{title}</title>\n'
        "<style>body{font:14px sans-serif;margin:2em}table{border-collapse:collapse}td,th{border:1px solid #bbb;padding:.2em .5em;"
        "text-align:left}th{background:#eee;position:sticky;top:0}tr:hover{background:#f6f6f6}</style></head>\n"
        f"<body><h1>{title}</h1>\n<table><thead><tr>{heads}</tr></thead>\n<tbody>\n{rows}\n</tbody></table></body>\n</html>\n"
    )


def _region(plan: EnvironmentPlan, region: RegionPlan) -> Iterator[Entry]:
    instances = (region.access.bastion, *region.probes.instances)
    yield from _owner(region.name, ("platform", "", plan.name_en, plan.level), region.network, instances, None)
    for tenant in sorted(region.tenants.values(), key=lambda tenant: tenant.code):
        who = (tenant.code, tenant.dti_code, tenant.name_en, tenant.level)
        yield from _owner(region.name, who, tenant.network, instances, tenant.code)


def _owner(
    region: str, who: tuple[str, str, str, int], layer: NetworkLayer, instances: tuple[InstanceSpec, ...], tenant: str | None
) -> Iterator[Entry]:
    zone_of = {network.name: network.zone for network in layer.networks}
    for network in layer.networks:
        for subnet in network.subnets:
            pool = " ".join(f"{pool.first}-{pool.last}" for pool in subnet.pools)
            family = f"IPv{subnet.ip_version}"
            yield Entry(region, *who, network.zone, "subnet", subnet.name, family, subnet.cidr, subnet.gateway or "", pool)
    for router in layer.routers:
        yield from _router(region, who, router, zone_of)
    for instance in instances:
        if instance.tenant == tenant:
            for _, address in instance.addresses:
                yield Entry(region, *who, instance.zone, "instance", instance.name, _family(address), address, "", "")


def _router(region: str, who: tuple[str, str, str, int], router: RouterSpec, zone_of: dict[str, str]) -> Iterator[Entry]:
    for leg in router.legs:
        for _, address in leg.addresses:
            yield Entry(region, *who, zone_of.get(leg.network, "transit"), "router", leg.port, _family(address), address, "", "")


def _family(address: str) -> str:
    return "IPv6" if ":" in address else "IPv4"
