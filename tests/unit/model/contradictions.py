"""For every key of an environment file: a value that is right by itself and wrong beside the rest of the file."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from landing_zone.model.complaints import look_up
from landing_zone.model.document import Path_

Value = Callable[[Any, Path_], Any]


@dataclass(frozen=True)
class Contradiction:
    """`value` makes it from the whole data and the key's path (None: nothing contradicts there); one of the keys `named` is told."""

    value: Value
    named: tuple[str, ...] = ()


def _always(value: Any) -> Value:
    return lambda _, __: value


def _of_sibling(data: Any, path: Path_) -> Any:
    """What the same key has in another entry of the nearest list around it."""
    at = max(index for index, part in enumerate(path) if isinstance(part, int))
    _, entries = look_up(data, path[:at])
    others = (look_up(data, (*path[:at], index, *path[at + 1 :])) for index in range(len(entries)) if index != path[at])
    return next((value for present, value in others if present), None)


def _beside(key: str, values: dict[Any, Any]) -> Value:
    """A value that depends on another key of the same mapping."""
    return lambda data, path: values.get(_holder(data, path).get(key))


def _holder(data: Any, path: Path_) -> dict[str, Any]:
    at = max(index for index, part in enumerate(path) if isinstance(part, str))
    return dict(look_up(data, path[:at])[1])


def _taken_host(data: Any, path: Path_) -> Any:
    own = _holder(data, path)
    return next((other["host"] for other in data["shared_services"] if other["zone"] == own["zone"] and other != own), None)


def _supernet(data: Any, path: Path_) -> Any:
    return data["regions"][0]["addresses"]["ipv4"]


def _longer_than_it(data: Any, path: Path_) -> Any:
    """A prefix as short as a whole IPv6 supernet."""
    return int(data["regions"][0]["addresses"]["ipv6"].partition("/")[2])


def _other_protocol(data: Any, path: Path_) -> Any:
    return "icmp" if _holder(data, path).get("ports") else "tcp"


def _level_above(data: Any, path: Path_) -> Any:
    return None if _holder(data, path).get("enclave") else 5


def _where_encrypted(value: Any) -> Value:
    return lambda data, _: value if data["level"] > 1 else None


_QUOTAS = ("cores", "ram_gib", "volume_gib", "backup_gib", "object_gib", "floating_ips")
_UNKNOWN = Contradiction(_always("gone"))
_ENDS = ("flows[].from", "flows[].to")
_PROFILE_USERS = ("tenant_defaults.projects[].quota", "tenants[].projects[].quota")

CONTRADICTIONS: dict[str, Contradiction] = {
    "level": Contradiction(lambda data, _: 5 if data["level"] == 1 else 1, ("federation", "tenants[].level")),
    "contacts[].email": Contradiction(lambda _, path: None if path[1] else "ops+cloud@example.org"),
    "regions[].name": Contradiction(_of_sibling, ("regions[].name",)),
    "regions[].cloud": Contradiction(_of_sibling, ("regions[].cloud",)),
    "regions[].role": Contradiction(_of_sibling, ("regions[].role",)),
    "regions[].counterpart": Contradiction(lambda data, path: _holder(data, path)["name"]),
    "regions[].resolvers[]": Contradiction(_of_sibling, ("regions[].resolvers[]",)),
    "regions[].availability_zones[]": Contradiction(_of_sibling, ("regions[].availability_zones[]",)),
    "regions[].addresses.ipv4": Contradiction(_of_sibling, ("regions[].addresses.ipv4",)),
    "regions[].addresses.ipv6": Contradiction(_of_sibling, ("regions[].addresses.ipv6",)),
    **{f"regions[].capacity.{key}": Contradiction(_always(1)) for key in _QUOTAS},
    "addressing.platform_ipv4": Contradiction(_always(22), ("addressing.platform_zone_ipv4",)),
    "addressing.platform_zone_ipv4": Contradiction(_always(23)),
    "addressing.tenant_ipv4": Contradiction(_always(23), ("addressing.zone_ipv4",)),
    "addressing.zone_ipv4": Contradiction(_always(24)),
    "addressing.platform_ipv6": Contradiction(_longer_than_it, ("regions[].addresses.ipv6",)),
    "addressing.tenant_ipv6": Contradiction(_longer_than_it),
    "zones[]": Contradiction(_always("edge"), (*_ENDS, "shared_services[].zone")),
    "enclaves[].code": Contradiction(_always("gone"), ("tenants[].enclave",)),
    "enclaves[].level": Contradiction(lambda data, _: data["level"]),
    "enclaves[].availability_zone": Contradiction(lambda data, _: data["regions"][0]["availability_zones"][0]),
    "destinations[].name": Contradiction(_always("edge")),
    "destinations[].kind": Contradiction(_beside("kind", {"partner": "office", "office": "partner"}), _ENDS),
    "destinations[].networks[]": Contradiction(_supernet),
    "shared_services[].name": Contradiction(lambda data, _: data["destinations"][0]["name"]),
    "shared_services[].zone": Contradiction(_always("application")),
    "shared_services[].host": Contradiction(_taken_host, ("shared_services[].host",)),
    "shared_services[].ports[]": Contradiction(_beside("protocol", {"tcp": 22})),
    "shared_services[].clients[]": Contradiction(_of_sibling, ("shared_services[].clients[]",)),
    **{key: Contradiction(_always("SG"), ("regions[].country",)) for key in ("country", "regions[].country")},
    "flows[].from": _UNKNOWN,
    "flows[].to": _UNKNOWN,
    "flows[].protocol": Contradiction(_other_protocol, ("flows[].ports",)),
    "flows[].ports[]": Contradiction(_beside("protocol", {"tcp": 22})),
    "bastion.admin_networks[]": Contradiction(_supernet),
    "quota_profiles[].name": Contradiction(_always("gone"), _PROFILE_USERS),
    **{f"quota_profiles[].{key}": Contradiction(_always(1_000_000), (f"regions[].capacity.{key}",)) for key in _QUOTAS},
    "quota_profiles[].secrets": Contradiction(_where_encrypted(0)),
    "quota_profiles[].volumes": Contradiction(_where_encrypted(10_000_000), ("quota_profiles[].secrets",)),
    "tenant_defaults.zones[]": Contradiction(_always("management")),
    "tenant_defaults.projects[].code": Contradiction(_always("network")),
    "tenant_defaults.projects[].quota": _UNKNOWN,
    "tenant_defaults.groups[].name": Contradiction(_always("automation")),
    "tenant_defaults.groups[].projects[]": _UNKNOWN,
    "tenants[].code": Contradiction(_always("admin")),
    "tenants[].dti_code": Contradiction(_of_sibling, ("tenants[].dti_code",)),
    "tenants[].name.vi": Contradiction(_of_sibling, ("tenants[].name.vi",)),
    "tenants[].name.en": Contradiction(_of_sibling, ("tenants[].name.en",)),
    "tenants[].level": Contradiction(_level_above),
    "tenants[].enclave": _UNKNOWN,
    "tenants[].regions[]": _UNKNOWN,
    "tenants[].groups[].projects[]": _UNKNOWN,
    "tenants[].zones[]": Contradiction(_always("management")),
    "tenants[].projects[].code": Contradiction(_always("network")),
    "tenants[].projects[].quota": _UNKNOWN,
    "tenants[].groups[].name": Contradiction(_always("automation")),
    "tenants[].people[].groups[]": _UNKNOWN,
    "retention.log_retention_days": Contradiction(_always(1)),
    **{f"retention.{key}": Contradiction(_always(1_000_000)) for key in ("backup_incremental_hours", "backup_full_days")},
    **{f"recovery.{key}": Contradiction(_always(1_000_000)) for key in ("rto_minutes", "rpo_minutes", "drill_interval_days")},
    "recovery.restore_test_interval_days": Contradiction(_always(1_000_000)),
    "recovery.dr_min_distance_km": Contradiction(_always(1_000_000), ("regions[].latitude",)),
    "verification.forbidden_port": Contradiction(_always(22)),
    "state.backend": Contradiction(_always("local"), ("state.url",)),
    "state.url": Contradiction(_beside("backend", {"s3": "postgres://state.example/lz"})),
}
"""By key, with [] for any index."""

FREE = frozenset(
    {
        *("class", "code", "code_scheme", "domain", "name.en", "name.vi", "stage"),
        *("contacts[].name", "contacts[].role"),
        *("bastion.flavor", "bastion.image", "bastion.user"),
        *("verification.flavor", "verification.image", "verification.probes", "verification.user"),
        *("destinations[].description", "enclaves[].name.en", "enclaves[].name.vi", "enclaves[].volume_type"),
        *("federation.issuer", "federation.protocol", "federation.provider"),
        *("flows[].reason", "shared_services[].kind", "shared_services[].protocol"),
        *("regions[].external_network", "regions[].place"),
        *("tenant_defaults.groups[].role", "tenant_defaults.projects[].purpose"),
        *("tenants[].contacts[].email", "tenants[].contacts[].name", "tenants[].contacts[].role", "regions[].cloud_region"),
        *("tenants[].groups[].role", "tenants[].people[].federated_id", "tenants[].projects[].purpose", "tenants[].size"),
        *("regions[].latitude", "regions[].longitude"),  # only both together make two regions too near: test_rules.py
        *(f"quota_profiles[].{key}" for key in ("backups", "dns_zones", "instances", "key_pairs", "load_balancers", "ports")),
        *(f"quota_profiles[].{key}" for key in ("security_group_rules", "security_groups", "server_groups", "snapshots")),
    }
)
"""Keys that nothing else in a file can contradict: texts for people, and what only the cloud can say (preflight does)."""
