"""The topology of a plan as a picture: Mermaid for pages, SVG for everything else."""

from __future__ import annotations

import html
from collections.abc import Iterator, Sequence

from landing_zone.planners.plan import EnvironmentPlan, NetworkLayer, NetworkSpec, RegionPlan, TenantPlan

_COLOURS = {
    "edge": "#f4c7c3", "dmz": "#fbdcb8", "internal": "#fdf0b5", "application": "#cfe6c5", "data": "#bcd6ee", "management": "#d9cdea",
    "backup": "#d0d7de", "exchange": "#f1cbe0", "devices": "#c9c3b8", "logging": "#c5e3e0", "transit": "#e8e8e8",
}  # fmt: skip
_WIDTH, _MARGIN, _GAP = 1200, 20, 10
_BOX_WIDTH, _LINE = 182, 15
_PER_ROW = (_WIDTH - 2 * _MARGIN + _GAP) // (_BOX_WIDTH + _GAP)


def mermaid(plan: EnvironmentPlan) -> str:
    """A Mermaid flowchart: for each region the way out, the hub, the platform's zones, and every tenant behind its router."""
    lines = ["flowchart LR"]
    for region in plan.regions.values():
        key = region.name
        lines.append(f'  subgraph {key}["{_title(plan, region)}"]')
        lines.append(f'    {key}_out(("{region.external_network}")) --- {key}_hub{{{{"hub"}}}}')
        lines.append(f'    {key}_hub --- {key}_transit["transit<br/>{_v4(_zone(region.network, "transit"))}"]')
        inner = {leg.network for router in region.network.routers[1:] for leg in router.legs}
        for network in _zones(region.network):
            joint = f"{key}_inner" if network.name in inner else f"{key}_hub"
            lines.append(f'    {joint} --- {key}_{network.zone}["{network.zone}<br/>{_v4(network)}"]')
        if len(region.network.routers) > 1:
            lines.append(f'    {key}_transit --- {key}_inner{{{{"inner, no way out"}}}}')
        lines += [f"    {line}" for tenant in _tenants(region) for line in _tenant_lines(key, tenant)]
        lines.append("  end")
    return "\n".join(lines) + "\n"


def svg(plan: EnvironmentPlan) -> str:
    """The same picture as SVG, 1200 wide, without fonts or scripts from elsewhere."""
    shapes: list[str] = []
    y = 34
    for region in plan.regions.values():
        panel, y = _panel(plan, region, y)
        shapes += panel
    title = html.escape(f"{plan.name_en} ({plan.code}), level {plan.level}")
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {y}" width="{_WIDTH}" height="{y}" font-family="sans-serif" '
        f'font-size="11">\n<title>{title}</title>\n<rect width="{_WIDTH}" height="{y}" fill="white"/>\n'
    )
    return head + _text(_MARGIN, 22, title, size=16) + "\n".join(shapes) + "\n</svg>\n"


def _tenant_lines(region: str, tenant: TenantPlan) -> Iterator[str]:
    zones = "<br/>".join(f"{network.zone} {_v4(network)}" for network in tenant.network.networks)
    node = f"{region}_t_{tenant.code}"
    yield f'{region}_transit --- {node}["<b>{_label(tenant)}</b><br/>{zones}"]'
    if tenant.network.routers[0].external_network:
        yield f"{node} -.- {region}_out"


def _panel(plan: EnvironmentPlan, region: RegionPlan, top: int) -> tuple[list[str], int]:
    """The shapes of one region and where the next may begin."""
    across = _WIDTH - 2 * _MARGIN
    y = top + 12
    shapes = [_text(_MARGIN, y + 12, html.escape(_title(plan, region)), size=14)]
    y += 24
    shapes += _bar(y, f"{region.external_network}: the way out", "#ffffff")
    y += 30
    bastion = region.access.bastion.addresses[0][1]
    hub = f"hub router; bastion {bastion} in {region.access.bastion.zone}"
    shapes += _bar(y, hub, "#eeeeee")
    y += 30
    shapes += _row(y, [(network.zone, [_v4(network), _v6(network)], _COLOURS[network.zone]) for network in _zones(region.network)])
    y += 2 * _LINE + 34
    transit = _zone(region.network, "transit")
    shapes += _bar(y, f"transit {_v4(transit)}, {_v6(transit)}", _COLOURS["transit"])
    y += 34
    tenants = _tenants(region)
    for start in range(0, len(tenants), _PER_ROW):
        row = tenants[start : start + _PER_ROW]
        height = 24 + _LINE * max(len(tenant.network.networks) for tenant in row)
        for column, tenant in enumerate(row):
            shapes += _tenant(_MARGIN + column * (_BOX_WIDTH + _GAP), y, tenant, height)
        y += height + _GAP
    frame = f'<rect x="{_MARGIN // 2}" y="{top}" width="{across + _MARGIN}" height="{y - top}" fill="none" stroke="#888"/>'
    return [frame, *shapes], y + 14


def _tenant(x: int, y: int, tenant: TenantPlan, height: int) -> list[str]:
    shapes = [
        f"<g><title>{html.escape(f'{tenant.name_vi} / {tenant.name_en}, {tenant.dti_code}')}</title>",
        f'<rect x="{x}" y="{y}" width="{_BOX_WIDTH}" height="{height}" rx="3" fill="#fff" stroke="#666"/>',
        _text(x + 6, y + 14, _label(tenant), bold=True),
    ]
    for line, network in enumerate(tenant.network.networks):
        top = y + 19 + line * _LINE
        shapes.append(f'<rect x="{x + 3}" y="{top}" width="{_BOX_WIDTH - 6}" height="{_LINE - 1}" fill="{_COLOURS[network.zone]}"/>')
        shapes.append(_text(x + 6, top + 11, f"{network.zone} {_v4(network)}"))
    return [*shapes, "</g>"]


def _bar(y: int, label: str, colour: str) -> list[str]:
    across = _WIDTH - 2 * _MARGIN
    return [
        f'<rect x="{_MARGIN}" y="{y}" width="{across}" height="24" rx="3" fill="{colour}" stroke="#666"/>',
        _text(_MARGIN + 8, y + 16, html.escape(label)),
    ]


def _row(y: int, boxes: Sequence[tuple[str, list[str], str]]) -> list[str]:
    shapes: list[str] = []
    for column, (label, lines, colour) in enumerate(boxes):
        x = _MARGIN + column * (_BOX_WIDTH + _GAP)
        height = 22 + _LINE * len(lines)
        shapes.append(f'<rect x="{x}" y="{y}" width="{_BOX_WIDTH}" height="{height}" rx="3" fill="{colour}" stroke="#666"/>')
        shapes.append(_text(x + 6, y + 14, label, bold=True))
        shapes += [_text(x + 6, y + 14 + _LINE * number, line) for number, line in enumerate(lines, start=1)]
    return shapes


def _text(x: int, y: int, text: str, size: int = 0, bold: bool = False) -> str:
    style = (f' font-size="{size}"' if size else "") + (' font-weight="bold"' if bold else "")
    return f'<text x="{x}" y="{y}"{style}>{text}</text>\n' if size else f'<text x="{x}" y="{y}"{style}>{text}</text>'


def _title(plan: EnvironmentPlan, region: RegionPlan) -> str:
    return f"{plan.code} {region.name} ({region.role}), {len(region.tenants)} tenants"


def _label(tenant: TenantPlan) -> str:
    enclave = f" ({tenant.enclave})" if tenant.enclave else ""
    way_out = ", way out" if tenant.network.routers[0].external_network else ""
    return f"{tenant.code}, level {tenant.level}{enclave}{way_out}"


def _tenants(region: RegionPlan) -> list[TenantPlan]:
    return sorted(region.tenants.values(), key=lambda tenant: tenant.code)


def _zones(layer: NetworkLayer) -> list[NetworkSpec]:
    return [network for network in layer.networks if network.zone != "transit"]


def _zone(layer: NetworkLayer, zone: str) -> NetworkSpec:
    return next(network for network in layer.networks if network.zone == zone)


def _v4(network: NetworkSpec) -> str:
    return next(subnet.cidr for subnet in network.subnets if subnet.ip_version == 4)


def _v6(network: NetworkSpec) -> str:
    return next(subnet.cidr for subnet in network.subnets if subnet.ip_version == 6)
