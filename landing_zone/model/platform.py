"""What the platform itself takes in every region."""

from __future__ import annotations

from landing_zone.model.environment import Environment, QuotaProfile
from landing_zone.model.levels import zones

PLATFORM = "platform"
"""The owner of what belongs to no tenant."""

PROJECT = QuotaProfile(
    name="platform",
    instances=10,
    cores=20,
    ram_gib=40,
    key_pairs=10,
    server_groups=5,
    ports=30,
    floating_ips=2,
    security_groups=5,
    volumes=10,
    volume_gib=200,
    backup_gib=200,
    object_gib=50,
    secrets=200,
)
"""Limits of each of the platform's projects that run instances, one a platform zone."""


def platform_zones(environment: Environment) -> tuple[str, ...]:
    """Names of the zones that the platform runs for the whole region."""
    return tuple(zone for zone in environment.zone_names if zones()[zone].scope == "platform")
