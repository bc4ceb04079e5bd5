"""Every rule that spans several keys: one spoiled environment each, refused with the key, the reason and a cure."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from typing import Any

import pytest

from foundation.errors import Problem
from landing_zone.model import rules
from landing_zone.model.complaints import look_up
from landing_zone.model.environment import Environment
from landing_zone.model.rules import addresses, flows, levels, naming, regions, tenants
from landing_zone.model.rules.regions import distance_km
from tests.unit.model.support import SHIPPED, changed, complaints, environment, said

Data = dict[str, Any]
Change = Callable[[Data], object]


def put(path: str, value: Any) -> Change:
    """A change that writes `value` at a path such as tenants.0.code."""

    def change(data: Data) -> None:
        *outer, last = (int(part) if part.isdigit() else part for part in path.split("."))
        holder: Any = data
        for part in outer:
            holder = holder[part]
        holder[last] = value

    return change


def add(path: str, value: Any) -> Change:
    """A change that appends `value` to the list at a path, which is made if missing."""

    def change(data: Data) -> None:
        holder: Any = data
        parts: list[str | int] = [int(part) if part.isdigit() else part for part in path.split(".")]
        for part in parts[:-1]:
            holder = holder[part]
        if isinstance(holder, dict):
            holder.setdefault(parts[-1], [])
        holder[parts[-1]].append(value)

    return change


def both(*changes: Change) -> Change:
    def change(data: Data) -> None:
        for each in changes:
            each(data)

    return change


def flow(source: str, target: str, protocol: str = "tcp", **more: Any) -> Data:
    return {
        "from": source,
        "to": target,
        "protocol": protocol,
        "reason": "a test",
        **({"ports": [8000]} if protocol != "icmp" else {}),
        **more,
    }


SERVICE = {"name": "svc", "kind": "dns", "zone": "management", "host": 20, "protocol": "udp", "ports": [53], "clients": ["application"]}
VENDOR = {"name": "vendor", "kind": "service", "networks": ["198.51.100.0/24"], "description": "x"}
ENCLAVE = {"code": "high", "name": {"vi": "Cao", "en": "High"}, "level": 5, "availability_zone": "own", "volume_type": "own"}
CONTACT = {"role": "owner", "name": "Operations", "email": "ops+cloud@example.org"}
PROFILE = {"name": "wide", "instances": 1, "cores": 1, "ram_gib": 1, "volumes": 1, "volume_gib": 1, "floating_ips": 1}


def _south_of_hanoi(degrees: float) -> Change:
    """The second of two regions is so many degrees (of 111.2 km) south of the first."""
    return both(put("regions.1.latitude", 21.0285 - degrees), put("regions.1.longitude", 105.8542))


CASES: dict[str, tuple[str, Change, str, str]] = {
    # name: (environment, change, key, words)
    "region twice": ("lab", put("regions.1.name", "north"), "regions[1].name", "stands twice"),
    "cloud twice": ("lab", put("regions.1.cloud", "lab-north"), "regions[1].cloud", "stands twice"),
    "zone twice": ("lab", add("zones", "data"), "zones[1]", "stands twice"),
    "tenant code twice": ("lab", put("tenants.1.code", "edu"), "tenants[1].code", "stands twice"),
    "agency code twice": ("lab", put("tenants.1.dti_code", "LAB-01"), "tenants[1].dti_code", "stands twice"),
    "Vietnamese name twice": ("lab", put("tenants.1.name.vi", "Sở Giáo dục mẫu"), "tenants[1].name.vi", "stands twice"),
    "English name twice": ("lab", put("tenants.2.name.en", "Sample Department of Education"), "tenants[2].name.en", "stands twice"),
    "project twice": ("ministry-agc", put("tenant_defaults.projects.1.code", "prod"), "tenant_defaults.projects[1].code", "stands twice"),
    "service address twice": ("ministry-agc", put("shared_services.1.host", 10), "shared_services[1].host", "stands twice"),
    "flow twice": (
        "lab",
        add("flows", {"from": "edge", "to": "application", "protocol": "tcp", "ports": [8080], "reason": "x"}),
        "flows[6]",
        "stands twice",
    ),
    "address that no DNS zone can have": ("lab", put("contacts.0.email", "ops+cloud@example.org"), "contacts[0].email", "no DNS zone"),
    "address of a host that is none": ("lab", put("contacts.0.email", "ops@-cloud.example.org"), "contacts[0].email", "no DNS zone"),
    "region abroad": ("lab", put("regions.1.country", "SG"), "regions[1].country", "stays in VN (control STO-01)"),
    "environment of another country": ("lab", put("country", "SG"), "regions[0].country", "in another country (VN)"),
    "six resolvers of one family": (
        "lab",
        put("regions.1.resolvers", ["2001:db8::1", *(f"192.0.2.{number}" for number in range(6))]),
        "regions[1].resolvers",
        "6 of them are IPv4",
    ),
    **{
        f"resolver {address}": ("lab", put("regions.0.resolvers", [address]), "regions[0].resolvers[0]", "no instance reaches it")
        for address in ("127.0.0.53", "::1", "fe80::1%eth0", "2001:db8::1%eth0", "169.254.0.1", "0.0.0.0", "ff02::1")
    },
    "reserved tenant": ("lab", put("tenants.0.code", "platform"), "tenants[0].code", "reserved"),
    "reserved project": ("lab", put("tenant_defaults.projects.0.code", "network"), "tenant_defaults.projects[0].code", "reserved"),
    "reserved group": ("lab", put("tenant_defaults.groups.0.name", "automation"), "tenant_defaults.groups[0].name", "reserved"),
    "destination named as a zone": ("ministry-agc", put("destinations.0.name", "backup"), "destinations[0].name", "reserved"),
    "service named as a destination": ("ministry-agc", put("shared_services.0.name", "ndxp"), "shared_services[0].name", "reserved"),
    "retention below the level": (
        "ministry-agc",
        put("retention", {"log_retention_days": 90}),
        "retention.log_retention_days",
        "365 (control LOG-02). Source: project floor",
    ),
    "recovery slower than the level": (
        "national-cgc",
        put("recovery.rpo_minutes", 61),
        "recovery.rpo_minutes",
        "60 (control DR-03). Source: project proposal",
    ),
    "tenant above its environment": ("lab", put("tenants.0.level", 2), "tenants[0].level", "above its environment's"),
    "tenant above its enclave": (
        "national-cgc",
        both(put("level", 3), put("enclaves.0.level", 4)),
        "tenants[0].level",
        "above that of its enclave",
    ),
    "unknown enclave": ("national-cgc", put("tenants.0.enclave", "other"), "tenants[0].enclave", "not declared"),
    "enclave no higher": ("national-cgc", put("enclaves.0.level", 4), "enclaves[0].level", "not above"),
    "enclave zone missing": (
        "national-cgc",
        put("regions.0.availability_zones", ["az1"]),
        "enclaves[0].availability_zone",
        "region north has no",
    ),
    "enclave zone shared": (
        "national-cgc",
        put("regions.0.availability_zones", ["ndb", "az1"]),
        "enclaves[0].availability_zone",
        "serves others too",
    ),
    "no identity provider": ("ministry-agc", lambda data: data.pop("federation"), "federation", "is missing"),
    "no identity provider for an enclave": ("lab", put("enclaves", [ENCLAVE]), "federation", "level 5 asks for it"),
    "people without identity provider": (
        "lab",
        put("tenants.0.people", [{"federated_id": "a", "groups": ["managers"]}]),
        "tenants[0].people",
        "identity provider",
    ),
    "DR region without counterpart": (
        "lab",
        lambda data: data["regions"][1].pop("counterpart"),
        "regions[1].counterpart",
        "without a counterpart",
    ),
    "unknown counterpart": ("lab", put("regions.0.counterpart", "west"), "regions[0].counterpart", "is not a region"),
    "own counterpart": ("lab", put("regions.0.counterpart", "north"), "regions[0].counterpart", "its own counterpart"),
    "one-sided pair": ("lab", lambda data: data["regions"][0].pop("counterpart"), "regions[1].counterpart", "in turn"),
    "two primaries": ("lab", put("regions.1.role", "primary"), "regions[0].role", "both regions of a pair"),
    "no primary": ("lab", put("regions.0.role", "secondary"), "regions[0].role", "no region has the role primary"),
    "one region at level 3": (
        "ministry-agc",
        lambda data: (data["regions"].pop(), data["regions"][0].pop("counterpart")),
        "regions",
        "asks for a second region",
    ),
    "one region with an enclave of level 5": (
        "lab",
        both(lambda data: (data["regions"].pop(), data["regions"][0].pop("counterpart")), put("enclaves", [ENCLAVE])),
        "regions",
        "level 5 asks for a second region",
    ),
    "a tenant of level 3 in one region": (
        "ministry-agc",
        put("tenants.0.regions", ["north"]),
        "tenants[0].regions",
        "level 3 asks for a second region. Source: Decree",
    ),
    "a tenant of an enclave in one region": (
        "lab",
        both(put("enclaves", [ENCLAVE]), put("tenants.0.enclave", "high"), put("tenants.0.level", 4), put("tenants.0.regions", ["south"])),
        "tenants[0].regions",
        "level 4 asks for a second region",
    ),
    "regions too near": (
        "national-cgc",
        both(put("regions.1.latitude", 21.1), put("regions.1.longitude", 105.9)),
        "regions[1].latitude",
        "level 5 asks for 30 km",
    ),
    "local backend with url": ("lab", put("state", {"url": "s3://x"}), "state.url", "has no url"),
    "backend without url": ("lab", put("state", {"backend": "s3"}), "state.url", "is missing"),
    "url of another backend": ("lab", put("state", {"backend": "s3", "url": "postgres://db"}), "state.url", "another backend"),
    "password in query": (
        "lab",
        put("state", {"backend": "postgres", "url": "postgres://db/x?password=y"}),
        "state.url",
        "holds a password",
    ),
    "s3 without endpoint": ("lab", put("state", {"backend": "s3", "url": "s3://b?region=north"}), "state.url", "it has no endpoint"),
    "s3 without region": ("lab", put("state", {"backend": "s3", "url": "s3://b?endpoint=https://h"}), "state.url", "it has no region"),
    "s3 without a bucket": ("lab", put("state", {"backend": "s3", "url": "s3:///?endpoint=https://h&region=n"}), "state.url", "no bucket"),
    "s3 without TLS": (
        "lab",
        put("state", {"backend": "s3", "url": "s3://b?endpoint=http://h&region=n"}),
        "state.url",
        "bucket is not reached by TLS",
    ),
    "database without TLS": ("lab", put("state", {"backend": "postgres", "url": "postgres://db/x"}), "state.url", "verified TLS"),
    "url that is none": ("lab", put("state", {"backend": "postgres", "url": "postgres://[db/x"}), "state.url", "cannot be read"),
    "password of a key in url": (
        "lab",
        put("state", {"backend": "postgres", "url": "postgres://u@db/x?sslmode=verify-full&sslpassword=y"}),
        "state.url",
        "holds a password",
    ),
    "regions just too near": ("national-cgc", _south_of_hanoi(0.2653), "regions[1].latitude", "29.5 km from north; level 5 asks for 30 km"),
    "a pair that only takes over": ("lab", put("regions.0.role", "secondary"), "regions[1].role", "both regions of a pair are secondary"),
    "a day too few": ("lab", put("retention", {"log_retention_days": 364}), "retention.log_retention_days", "write at least 365"),
    "password in url": ("lab", put("state", {"backend": "postgres", "url": "postgres://u:secret@db/x"}), "state.url", "holds a password"),
    "public supernet": ("lab", put("regions.0.addresses.ipv4", "8.8.0.0/16"), "regions[0].addresses.ipv4", "not private"),
    "multicast supernet": ("lab", put("regions.0.addresses.ipv6", "ff00::/40"), "regions[0].addresses.ipv6", "not for unicast"),
    "supernets overlap": ("lab", put("regions.1.addresses.ipv4", "10.64.128.0/17"), "regions[1].addresses.ipv4", "overlap"),
    "zones longer than slots": ("lab", put("addressing", {"tenant_ipv4": 24, "zone_ipv4": 26}), "addressing.zone_ipv4", "too short"),
    "platform block too small": (
        "lab",
        put("addressing", {"platform_ipv4": 22, "platform_zone_ipv4": 25}),
        "addressing.platform_zone_ipv4",
        "too short",
    ),
    "supernet too small": ("lab", put("regions.0.addresses.ipv4", "10.64.0.0/20"), "regions[0].addresses.ipv4", "too small"),
    "platform takes every slot": (
        "lab",
        both(
            put("tenants", []),
            put("flows", []),
            put("addressing", {"platform_ipv6": 20, "tenant_ipv6": 60}),
            put("regions.0.addresses", {"ipv4": "10.64.0.0/16", "ipv6": "fd00::/16"}),
            put("regions.1.addresses", {"ipv4": "10.72.0.0/16", "ipv6": "fd01::/16"}),
        ),
        "addressing.platform_ipv6, value 20",
        "let tenant_ipv6 be at most 5 above it",
    ),
    "slot as large as a supernet": (
        "lab",
        both(put("addressing", {"tenant_ipv6": 48}), put("tenants", []), put("flows", [])),
        "addressing.tenant_ipv6, value 48",
        "a slot is as large as all of",
    ),
    "IPv6 supernet too small": (
        "lab",
        put("regions.0.addresses.ipv6", "fd64:6c7a:1:ff00::/56"),
        "regions[0].addresses.ipv6",
        "give a prefix shorter than /56",
    ),
    "a slot more than there are": (
        "lab",
        both(put("regions.0.addresses.ipv4", "10.64.0.0/18"), put("tenants.0.size", 8), put("tenants.1.size", 4)),
        "tenants",
        "3 tenants want 13 slots of /22 and /56, the smallest supernet has 12",
    ),
    "supernets exhausted": ("regional-dc", put("regions.0.addresses.ipv4", "10.96.0.0/17"), "tenants", "exhausted"),
    "destination too wide": ("ministry-agc", put("destinations.0.networks.0", "0.0.0.0/0"), "destinations[0].networks[0]", "too wide"),
    "administrators everywhere": ("lab", put("bastion.admin_networks.0", "::/0"), "bastion.admin_networks[0]", "too wide"),
    "administrators in twice the widest prefix": (
        "lab",
        put("bastion.admin_networks.0", "8.0.0.0/7"),
        "bastion.admin_networks[0]",
        "too wide",
    ),
    "administrators in twice the widest IPv6 prefix": (
        "lab",
        put("bastion.admin_networks.0", "2c00::/15"),
        "bastion.admin_networks[0]",
        "too wide",
    ),
    "administrators inside": (
        "lab",
        put("bastion.admin_networks.0", "fd64:6c7a:1:8::/64"),
        "bastion.admin_networks[0]",
        "lies in a supernet",
    ),
    "destination inside": (
        "ministry-agc",
        put("destinations.0.networks.0", "10.80.4.0/24"),
        "destinations[0].networks[0]",
        "lies in a supernet",
    ),
    "platform zone for a tenant": ("lab", put("tenants.0.zones", ["management"]), "tenants[0].zones[0]", "not a zone for tenants"),
    "zone that is not there": ("lab", put("tenants.0.zones", ["dmz"]), "tenants[0].zones[0]", "has no zone dmz"),
    "unknown region of a tenant": ("lab", put("tenants.0.regions", ["west"]), "tenants[0].regions[0]", "unknown region"),
    "unknown quota profile": (
        "lab",
        put("tenant_defaults.projects.0.quota", "huge"),
        "tenant_defaults.projects[0].quota",
        "unknown profile",
    ),
    "unknown project of a group": (
        "lab",
        put("tenant_defaults.groups.0.projects", ["x"]),
        "tenant_defaults.groups[0].projects[0]",
        "unknown project",
    ),
    "unknown group of a person": (
        "ministry-agc",
        put("tenants.4.people.0.groups", ["x"]),
        "tenants[4].people[0].groups[0]",
        "unknown group",
    ),
    "unknown project of a tenant's own group": (
        "lab",
        put("tenants.0.groups", [{"name": "members", "role": "member", "projects": ["x"]}]),
        "tenants[0].groups[0].projects[0]",
        "unknown project",
    ),
    "reserved project of a tenant's own": (
        "lab",
        put("tenants.0.projects", [{"code": "network", "purpose": "x", "quota": "small"}]),
        "tenants[0].projects[0].code",
        "reserved",
    ),
    "reserved group of a tenant's own": (
        "lab",
        put("tenants.0.groups", [{"name": "automation", "role": "member"}]),
        "tenants[0].groups[0].name",
        "reserved",
    ),
    "default groups without their project": (
        "ministry-agc",
        lambda data: data["tenants"][6].pop("groups"),
        "tenants[6].projects",
        "trial is missing",
    ),
    "floating address without edge": ("lab", put("quota_profiles.0.floating_ips", 1), "tenants[0].code", "without an edge zone"),
    "a secret too few": (
        "ministry-agc",
        put("quota_profiles.0.secrets", 59),
        "quota_profiles[0].secrets, value 59",
        "tenant office may have 60 volumes",
    ),
    "more volumes than secrets by default": (
        "ministry-agc",
        put("quota_profiles.1.volumes", 21),
        "quota_profiles[1].secrets",
        "raise it to 21",
    ),
    "quotas above capacity": ("lab", put("regions.0.capacity.cores", 43), "regions[0].capacity.cores", "may use 44, region north has 43"),
    "unknown zone in a flow": ("lab", put("flows.1.from", "warehouse"), "flows[1].from", "unknown zone or destination"),
    "zone of no tenant in a flow": ("lab", put("flows.1.from", "edu/warehouse"), "flows[1].from", "unknown zone"),
    "zone not in the environment": ("lab", put("flows.1.from", "dmz"), "flows[1].from", "unknown zone 'dmz'"),
    "platform zone of a tenant": ("lab", put("flows.1.from", "edu/management"), "flows[1].from", "not a zone for tenants"),
    "unknown tenant in a flow": ("lab", put("flows.1.from", "nobody/application"), "flows[1].from", "unknown tenant"),
    "tenant without the zone": ("lab", put("flows.1.from", "edu/edge"), "flows[1].from", "tenant edu has no zone edge"),
    "flow joins two tenants": ("lab", add("flows", flow("edu/application", "health/application")), "flows[6].to", "join two tenants"),
    "world behind the border": ("lab", add("flows", flow("world", "application")), "flows[6].from", "the world meets the zone edge only"),
    "world to the platform": ("lab", add("flows", flow("management", "world")), "flows[6].to", "the world meets the zone edge only"),
    "past the exchange": ("ministry-agc", add("flows", flow("application", "ndxp")), "flows[16].to", "skip the exchange gateway"),
    "office past its zone": ("ministry-agc", add("flows", flow("offices", "data")), "flows[16].from", "meets the zone internal only"),
    "devices past the platform": (
        "national-cgc",
        add("flows", flow("application", "devices")),
        "flows[16].from",
        "devices meets zones of the platform only",
    ),
    "devices to the outside": (
        "national-cgc",
        both(
            add("destinations", VENDOR),
            add("flows", flow("devices", "vendor")),
        ),
        "flows[16].to",
        "devices meets zones of the platform only",
    ),
    "service among devices for tenants": (
        "national-cgc",
        add("shared_services", {**SERVICE, "zone": "devices"}),
        "shared_services[4].clients[0]",
        "devices meets zones of the platform only",
    ),
    "a partner's address as a service": (
        "ministry-agc",
        add("destinations", {"name": "mirror2", "kind": "service", "networks": ["192.0.2.0/24", "203.0.113.8/32"], "description": "x"}),
        "destinations[2].networks[1]",
        "ndxp, a partner, has 203.0.113.0/26",
    ),
    "nobody with a way out": (
        "lab",
        both(
            add("destinations", VENDOR),
            add("flows", flow("data", "vendor")),
        ),
        "flows[6].from",
        "none has edge",
    ),
    "a tenant without a way out": (
        "ministry-agc",
        add("flows", flow("offices", "ydct/internal")),
        "flows[16].to",
        "nobody there has a way to the outside",
    ),
    "to the world past the exchange": (
        "ministry-agc",
        add("flows", flow("edge", "world", ports=[443, "8000-9000"])),
        "flows[16].to",
        "exchange takes tcp 8443 from application",
    ),
    "to the world past a service": (
        "lab",
        both(add("shared_services", SERVICE), add("flows", flow("portal/edge", "world", "udp", ports=[53]))),
        "flows[6].to",
        "management takes udp 53 from application",
    ),
    "to the world past a service that answers by both": (
        "lab",
        both(add("shared_services", {**SERVICE, "protocol": "both"}), add("flows", flow("portal/edge", "world", ports=[53]))),
        "flows[6].to",
        "management takes tcp 53 from application",
    ),
    "to the world past the platform by icmp": (
        "lab",
        both(add("flows", flow("application", "management", "icmp")), add("flows", flow("edge", "world", "icmp"))),
        "flows[7].to",
        "management takes icmp from application",
    ),
    "no zone at all": ("ministry-agc", add("flows", flow("world", "ndxp")), "flows[16].from", "has a zone at one end"),
    "ports of icmp": ("lab", add("flows", flow("edge", "application", "icmp", ports=[1])), "flows[6].ports", "icmp has no ports"),
    "no ports": ("lab", lambda data: data["flows"][1].pop("ports"), "flows[1].ports", "is missing"),
    "SSH in a flow": ("lab", put("flows.1.ports", ["20-25"]), "flows[1].ports[0]", "port 22 is open from the bastion only"),
    "forbidden port in a flow": ("lab", put("flows.1.ports", [9999]), "flows[1].ports[0]", "opens the forbidden_port"),
    "forbidden port in a flow of datagrams": (
        "lab",
        add("flows", flow("edge", "application", "udp", ports=[9999])),
        "flows[6].ports[0]",
        "opens the forbidden_port",
    ),
    "service by both on port 22": (
        "lab",
        add("shared_services", {**SERVICE, "protocol": "both", "ports": [22]}),
        "shared_services[0].ports[0]",
        "22 is kept",
    ),
    "service on the forbidden port": (
        "lab",
        add("shared_services", {**SERVICE, "protocol": "udp", "ports": [9999]}),
        "shared_services[0].ports[0]",
        "9999 is kept",
    ),
    "forbidden port 22": ("lab", put("verification.forbidden_port", 22), "verification.forbidden_port", "port 22"),
    "service in a tenant zone": (
        "lab",
        add("shared_services", {**SERVICE, "zone": "data"}),
        "shared_services[0].zone",
        "belongs to tenants",
    ),
    "service in no zone": ("lab", add("shared_services", {**SERVICE, "zone": "logging"}), "shared_services[0].zone", "has no zone logging"),
    "service for nobody": (
        "lab",
        add("shared_services", {**SERVICE, "clients": ["dmz"]}),
        "shared_services[0].clients[0]",
        "has no zone dmz",
    ),
    "service on SSH": (
        "lab",
        add("shared_services", {**SERVICE, "protocol": "tcp", "ports": [22]}),
        "shared_services[0].ports[0]",
        "22 is kept",
    ),
}


@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_environments_are_right(name: str) -> None:
    assert not list(rules.check(environment(name)))


ACCEPTED: dict[str, tuple[str, Change]] = {
    "private prefixes of all kinds": (
        "lab",
        both(put("regions.0.addresses.ipv4", "192.168.0.0/16"), put("regions.1.addresses.ipv4", "100.64.0.0/10")),
    ),
    "more private prefixes, and IPv6 of the organisation's own": (
        "lab",
        both(
            put("regions.0.addresses", {"ipv4": "172.16.0.0/12", "ipv6": "2001:db8::/32"}),
            put("regions.1.addresses.ipv4", "198.18.0.0/15"),
            put("bastion.admin_networks.0", "192.0.2.0/24"),
        ),
    ),
    "as many slots as there are": (
        "lab",
        both(put("regions.0.addresses.ipv4", "10.64.0.0/18"), *(put(f"tenants.{index}.size", 4) for index in range(3))),
    ),
    "the widest prefixes": ("lab", put("bastion.admin_networks", ["11.0.0.0/8", "2c00::/16"])),
    "an address in two destinations of one kind": (
        "ministry-agc",
        both(add("destinations", VENDOR), add("destinations", {**VENDOR, "name": "branch", "networks": ["198.51.100.8/32"]})),
    ),
    "a destination with a name that rules once had": (
        "lab",
        both(add("destinations", {**VENDOR, "name": "gateway"}), add("flows", flow("edge", "gateway"))),
    ),
    "to the world by other ports than the platform takes": (
        "ministry-agc",
        both(add("flows", flow("edge", "world", ports=[80, "8444-9000"])), add("flows", flow("edge", "world", "udp", ports=[8443]))),
    ),
    "to the world past an exchange that may be met": (
        "ministry-agc",
        both(add("flows", flow("edge", "world", ports=["8000-9000"])), add("flows", flow("edge", "exchange", ports=["8443-8444"]))),
    ),
    "to the world past an exchange that this tenant may meet": (
        "ministry-agc",
        both(add("flows", flow("dav/edge", "world", ports=[8443])), add("flows", flow("dav/edge", "exchange", ports=[8443]))),
    ),
    "two zones of one tenant": ("lab", add("flows", flow("edu/application", "edu/data"))),
    "datagrams to port 22": ("lab", add("flows", flow("edge", "application", "udp", ports=[22]))),
    "a service among devices for the platform": (
        "national-cgc",
        add("shared_services", {**SERVICE, "zone": "devices", "clients": ["management"]}),
    ),
    "a tenant that takes no capacity where it is not": (
        "lab",
        both(put("tenants.0.regions", ["south"]), put("regions.0.capacity.cores", 36)),
    ),
    "a database on this machine without TLS": ("lab", put("state", {"backend": "postgres", "url": "postgres://lz@localhost/lz"})),
    "regions just far enough apart": ("national-cgc", _south_of_hanoi(0.2743)),
    "another country": ("lab", both(*(put(key, "SG") for key in ("country", "regions.0.country", "regions.1.country")))),
    "names of a cloud that have spaces": (
        "lab",
        both(put("bastion.image", "Debian 13 (trixie)"), put("regions.0.availability_zones", ["Hall 1", "Hall 2"])),
    ),
    "an override on the safer side": ("lab", put("retention", {"log_retention_days": 366})),
    "an address with other characters that no DNS zone names": (
        "ministry-agc",
        both(put("contacts.1.email", "ops+cloud@example.org"), put("tenants.0.contacts", [CONTACT])),
    ),
    "as many resolvers of each family as a subnet takes": (
        "lab",
        put("regions.0.resolvers", [f"{start}{number}" for start in ("192.0.2.", "2001:db8::") for number in range(1, 6)]),
    ),
}
"""What the rules just about let pass: (environment, change)."""


@pytest.mark.parametrize("case", ACCEPTED)
def test_what_is_right_passes(case: str) -> None:
    name, change = ACCEPTED[case]
    assert not complaints(changed(name, change))


@pytest.mark.parametrize("case", CASES)
def test_refused_with_file_line_key_value_reason_and_cure(case: str) -> None:
    name, change, key, words = CASES[case]
    spoiled = changed(name, change)
    problems = complaints(spoiled)
    fitting = [problem for problem in problems if f"key {key}" in problem.where and words in str(problem)]
    assert fitting, said(problems)
    assert fitting[0].cure
    named = re.search(r"\.(?:yaml|csv):\d+, key ([^,]+)(, value .+)?$", fitting[0].where)
    assert named, fitting[0].where
    path = [int(part) if part.isdigit() else part for part in re.findall(r"[^.\[\]]+", named[1])]
    assert (named[2] is not None) == look_up(spoiled.data, tuple(path))[0]


def test_every_rule_has_a_case() -> None:
    """Each rule function finds something in at least one case, so that none can be lost unnoticed."""
    parts = (addresses, flows, levels, naming, regions, tenants)
    silent = {rule: f"{part.__name__}.{rule.__name__}" for part in parts for rule in part.RULES}
    for name, change, *_ in CASES.values():
        spoiled = Environment.model_validate(changed(name, change).data)
        for rule in [rule for rule in silent if next(iter(rule(spoiled)), None)]:
            del silent[rule]
    assert not silent
    public = {
        f"{part.__name__}.{rule}" for part in parts for rule, _ in inspect.getmembers(part, inspect.isgeneratorfunction) if rule[0] != "_"
    }
    assert public == {f"{part.__name__}.{rule.__name__}" for part in parts for rule in part.RULES}


@pytest.mark.parametrize("names", [[], ["north", "south"]])
def test_a_tenant_may_name_a_pair_and_below_level_3_any_region(names: list[str]) -> None:
    assert not complaints(changed("ministry-agc", both(put("tenants.0.regions", names), put("tenants.6.regions", ["south"]))))


@pytest.mark.parametrize("level", [1, 2])
def test_secrets_hold_as_many_volumes_from_the_level_that_encrypts_them(level: int) -> None:
    """The lab's tenants are of level 1: theirs are encrypted where their environment is of a higher one."""
    spoil = both(put("level", level), put("quota_profiles.0.secrets", 3))
    assert any("quota_profiles[0].secrets" in problem.where for problem in complaints(changed("lab", spoil))) is (level == 2)
    assert not any("secrets" in problem.where for problem in complaints(changed("lab", put("level", level))))


def test_all_problems_are_told_at_once() -> None:
    spoil = both(
        put("tenants.0.level", 3), put("tenants.1.code", "edu"), put("regions.0.capacity.cores", 1), put("flows.1.from", "nowhere")
    )
    assert len(complaints(changed("lab", spoil))) >= 4


def test_rules_also_speak_of_the_rest_when_one_tenant_is_misshapen() -> None:
    problems: tuple[Problem, ...] = complaints(changed("lab", both(put("tenants.0.level", "high"), put("tenants.2.level", 4))))
    places = [problem.where for problem in problems]
    assert any("key tenants[0].level" in place for place in places)
    assert any("key tenants[2].level" in place for place in places)


WRONG = {
    "a key that no mapping has": put("bastion.flavour", "SCS-1L-1-5"),
    "a key that is missing": lambda data: data["bastion"].pop("image"),
    "a value that may be left out": put("recovery", {"rto_minutes": "soon"}),
    "a value that must be there": put("regions.1.latitude", "north"),
    "an entry that is no mapping": put("contacts.0", "trainers"),
    "a list that is none": put("enclaves", 5),
    "a value in a list": put("bastion.admin_networks", ["everywhere"]),
}


@pytest.mark.parametrize("change", WRONG.values(), ids=WRONG)
def test_rules_also_speak_of_the_rest_when_something_else_is_misshapen(change: Change) -> None:
    """One wrong shape; beside it supernets that overlap, and a quota sum above what a region can carry."""
    (shape,) = complaints(changed("lab", change))
    spoil = both(put("regions.1.addresses.ipv4", "10.64.128.0/17"), put("regions.0.capacity.cores", 1))
    rest = complaints(changed("lab", spoil))
    assert len(rest) == 2
    told = complaints(changed("lab", both(spoil, change)))
    assert sorted(map(str, told)) == sorted(map(str, (shape, *rest)))


def test_a_rule_that_needs_what_is_wrong_waits() -> None:
    """Without the level nobody knows what it asks for; without its latitude, how far the region is away."""
    for path in ("level", "regions.1.latitude"):
        (problem,) = complaints(changed("lab", put(path, "high")))
        assert f"{path.rpartition('.')[2]}" in problem.where


def test_one_misshapen_entry_is_not_held_against_its_list() -> None:
    problems = complaints(changed("lab", put("regions.0.addresses.ipv6", "fd64:6c7a:1:1::/48")))
    assert ["regions[0].addresses.ipv6" in problem.where for problem in problems] == [True]
    assert "the network is fd64:6c7a:1::/48" in problems[0].why


def test_an_entry_that_is_no_mapping_is_named_by_its_list() -> None:
    (problem,) = complaints(changed("lab", put("contacts.0", "trainers")))
    assert problem.what == "entry 0 of contacts must be a mapping"


@pytest.mark.parametrize("family", ["ipv4", "ipv6"])
def test_a_supernet_that_is_too_small_by_itself_is_all_that_is_said_of_slots(family: str) -> None:
    small = {"ipv4": "10.64.0.0/20", "ipv6": "fd64:6c7a:1:ff00::/56"}[family]
    problems = complaints(changed("lab", put(f"regions.0.addresses.{family}", small)))
    assert sorted(problem.what for problem in problems) == ["tenants: the supernets are exhausted", f"the {family} supernet is too small"]


def test_distance_of_the_national_regions() -> None:
    north, south = environment("national-cgc").regions
    assert distance_km(north, south) == pytest.approx(1140, abs=10)
    assert distance_km(north, north) == 0


@pytest.mark.parametrize(
    ("path", "value", "why"),
    [
        ("tenants.0.name.vi", "Sở Giáo dục " * 20, "it does not match"),
        ("tenants.0.name.vi", "Sở\tGiáo dục", "the character '\\t'"),
        ("tenants.0.code", "giáo", "the character 'á' is not printable ASCII"),
        ("class", "trung ương", "the character 'ư' is not printable ASCII"),
    ],
)
def test_a_letter_is_named_only_where_it_is_what_is_wrong(path: str, value: str, why: str) -> None:
    (problem,) = [each for each in complaints(changed("lab", put(path, value))) if path.rpartition(".")[2] in each.where]
    assert why in problem.why
