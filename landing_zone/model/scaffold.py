"""A first environment file from a few answers: what `lz init` writes. Pure: answers in, text out."""

from __future__ import annotations

from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Network

import yaml

from landing_zone.model.fields import COUNTRY, Klass, Stage
from landing_zone.model.levels import figures, zones_of
from landing_zone.model.rehearsal import LAB_ADMINISTRATORS, LAB_CLOUDS

_EXAMPLE_ADMINISTRATORS = "172.21.0.0/24"


@dataclass(frozen=True)
class RegionAnswer:
    """What is asked about one region. `latitude` and `longitude` in degrees."""

    name: str
    cloud: str
    place: str
    latitude: float
    longitude: float
    external_network: str = "public"
    availability_zones: tuple[str, ...] = ("nova",)


@dataclass(frozen=True)
class TenantAnswer:
    """What is asked about one tenant."""

    code: str
    dti_code: str
    name_vi: str
    name_en: str


@dataclass(frozen=True)
class Answers:
    """All answers; regions are one, or a pair of which the first is primary. `supernet` is cut in two for a pair."""

    code: str
    name_vi: str
    name_en: str
    klass: Klass
    level: int
    email: str
    regions: tuple[RegionAnswer, ...]
    tenants: tuple[TenantAnswer, ...] = ()
    stage: Stage = "test"
    domain: str = ""
    country: str = COUNTRY
    supernet: str = "10.64.0.0/13"
    supernet_v6: str = "fd64::/32"
    admin_networks: tuple[str, ...] = ()
    flavor: str = "SCS-1L-1-5"
    image: str = "debian-13"
    user: str = "debian"
    issuer: str = "https://sso.example.org"
    code_scheme: str = "to be said: which scheme the tenants' dti_code follow"
    extra_zones: tuple[str, ...] = field(default=("data",))


def environment_text(answers: Answers, schema: str = "schema/environment.json") -> str:
    """The text of an environment file; `schema` is the place, from its folder, of what editors check it by.

    What is wrong in the answers is found by loading it, as with any other file.
    """
    head = (
        f"# yaml-language-server: $schema={schema}\n"
        f"# {answers.name_en}. Written by `lz init`; yours to edit. Every key: docs/reference/environment.md\n"
        "# Look at the examples below before the first `lz up`: capacities, quotas, administrators' networks and flows are guesses.\n"
    )
    parts = [
        _block(_about(answers)),
        _block({"regions": [_region(answers, index) for index in range(len(answers.regions))]}),
        _block({"zones": [zone for zone in answers.extra_zones if zone not in zones_of(answers.level)]}),
        _block({"flows": _flows(answers)}),
        _block({"bastion": {**_machine(answers), "admin_networks": _administrators(answers)}}),
        _block(_federation(answers)),
        _block({"verification": {"probes": "sample", **_machine(answers)}}),
        _block({"quota_profiles": [_PROFILE]}),
        _block({"tenant_defaults": {"zones": ["application", "data"], "projects": [_PROJECT], "groups": _GROUPS}}),
        _tenants(answers),
    ]
    return head + "\n".join(part for part in parts if part)


_PROFILE = {
    "name": "standard", "instances": 10, "cores": 20, "ram_gib": 40, "volumes": 20, "volume_gib": 500, "backup_gib": 500, "object_gib": 100,
}  # fmt: skip
_PROJECT = {"code": "prod", "purpose": "Production", "quota": "standard"}
_GROUPS = [{"name": f"{role}s", "role": role} for role in ("manager", "member", "reader")]


def _about(answers: Answers) -> dict[str, object]:
    return {
        "code": answers.code,
        "name": {"vi": answers.name_vi, "en": answers.name_en},
        "class": answers.klass,
        "level": answers.level,
        "stage": answers.stage,
        "domain": answers.domain or f"{answers.code}.gclz.internal",
        "country": answers.country,
        "code_scheme": answers.code_scheme,
        "contacts": [{"role": "owner", "name": answers.name_en, "email": answers.email}],
    }


def _region(answers: Answers, index: int) -> dict[str, object]:
    region = answers.regions[index]
    pair = len(answers.regions) > 1
    counterpart = {"counterpart": answers.regions[1 - index].name} if pair and index < 2 else {}
    return {
        "name": region.name,
        "cloud": region.cloud,
        "role": "secondary" if index else "primary",
        **counterpart,
        "place": region.place,
        "country": answers.country,
        "latitude": region.latitude,
        "longitude": region.longitude,
        "external_network": region.external_network,
        "availability_zones": list(region.availability_zones),
        "addresses": {
            "ipv4": _half(IPv4Network(answers.supernet), pair, index),
            "ipv6": _half(IPv6Network(answers.supernet_v6), pair, index),
        },
        "capacity": {
            "cores": max(400, 40 * len(answers.tenants)),
            "ram_gib": max(1000, 80 * len(answers.tenants)),
            "volume_gib": max(10000, 800 * len(answers.tenants)),
            "backup_gib": max(10000, 800 * len(answers.tenants)),
            "object_gib": max(5000, 200 * len(answers.tenants)),
            "floating_ips": 50,
        },
    }


def _half(net: IPv4Network | IPv6Network, pair: bool, index: int) -> str:
    """The whole supernet for one region, its halves for two."""
    return str(list(net.subnets(prefixlen_diff=1))[index % 2]) if pair else str(net)


def _flows(answers: Answers) -> list[dict[str, object]]:
    flows: list[dict[str, object]] = [
        {"from": "application", "to": "data", "protocol": "tcp", "ports": [5432], "reason": "Applications use their databases"},
        {"from": "management", "to": "application", "protocol": "tcp", "ports": [9100], "reason": "Monitoring"},
    ]
    if "exchange" in zones_of(answers.level):
        reason = "Data sharing by the exchange gateway"
        flows.append({"from": "application", "to": "exchange", "protocol": "tcp", "ports": [8443], "reason": reason})
    return flows


def _administrators(answers: Answers) -> list[str]:
    """Where administrators sit: as answered, else this machine for the lab's clouds, else an example to be replaced."""
    if answers.admin_networks:
        return list(answers.admin_networks)
    return [str(LAB_ADMINISTRATORS)] if all(region.cloud in LAB_CLOUDS for region in answers.regions) else [_EXAMPLE_ADMINISTRATORS]


def _machine(answers: Answers) -> dict[str, object]:
    return {"flavor": answers.flavor, "image": answers.image, "user": answers.user}


def _federation(answers: Answers) -> dict[str, object]:
    if not figures()["federated_sign_on"].at(answers.level):
        return {}
    return {"federation": {"provider": answers.code, "protocol": "openid", "issuer": answers.issuer}}


def _tenants(answers: Answers) -> str:
    entries = [
        {"code": t.code, "dti_code": t.dti_code, "name": {"vi": t.name_vi, "en": t.name_en}, "level": answers.level}
        for t in answers.tenants
    ]
    return _block({"tenants": entries})


def _block(content: dict[str, object]) -> str:
    if not content:
        return ""
    return yaml.safe_dump(content, sort_keys=False, allow_unicode=True, default_flow_style=None, width=150)
