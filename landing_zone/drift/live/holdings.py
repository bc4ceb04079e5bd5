"""Instances, what holds data, and names in the DNS, as facts."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from landing_zone.drift.facts import UNSEEN, Fact, zone_share_name, zone_transfer_name
from landing_zone.drift.live.view import View, operators

RUNNING = ("ACTIVE", "REBOOT", "HARD_REBOOT", "PASSWORD", "MIGRATING", "VERIFY_RESIZE")
STOPPED = ("SHUTOFF", "PAUSED", "SUSPENDED", "SHELVED", "SHELVED_OFFLOADED")  # `repair` starts these; what is on its way is neither
APEX_OWN = ("SOA", "NS")


def instances(view: View) -> Iterator[Fact]:
    """An image that was replaced by a newer one and hidden or deleted is seen by nobody, and no change."""
    images = {image.id: image.name for image in view.all("images")}
    for one, maker in operators(view, "instances"):
        yield view.of_project(
            "instance",
            one,
            maker,
            flavor=one.flavor.original_name or one.flavor.name,
            image=images.get((one.image or {}).get("id"), UNSEEN),
            key_pair=one.key_name,
            running=True if one.status in RUNNING else False if one.status in STOPPED else UNSEEN,
            availability_zone=one.availability_zone,
        )


def none_in_the_model(kind: str, source: str) -> Callable[[View], Iterator[Fact]]:
    """Things of which the model has none: in projects of the operator's, any is one too many."""

    def found(view: View) -> Iterator[Fact]:
        for one, maker in operators(view, source):
            yield view.fact(kind, one.name or one.id, maker, one.id)

    return found


def stored(kind: str, source: str) -> Callable[[View], Iterator[Fact]]:
    """What members of the operator's projects see in them; the model has none."""

    def found(view: View) -> Iterator[Fact]:
        for one in view.all(source):
            yield replace(one, layer=view.layer(kind, view.maker("project", one.parent) or ""))

    return found


def zones(view: View) -> Iterator[Fact]:
    for one, maker in operators(view, "DNS zones"):
        yield view.of_project(
            "DNS zone",
            one,
            maker,
            email=one.email,
            ttl=one.ttl,
            description=one.description,
        )


def records(view: View) -> Iterator[Fact]:
    makers = {zone.id: maker for zone, maker in operators(view, "DNS zones")}
    for one in view.all("DNS records"):
        maker = makers.get(one["zone_id"])
        if maker is not None and not designates_own(one):
            at = {"zone": one["zone_id"]}
            layer = view.layer("DNS record", maker)
            yield Fact("DNS record", f"{one['name']} {one['type']}", layer, {}, one["id"], one["zone_id"], at)


def zone_shares(view: View) -> Iterator[Fact]:
    for one, zone, maker in _of_zones(view, "DNS zone shares"):
        name = zone_share_name(zone, view.project(one.target_project_id))
        layer = view.layer("DNS zone share", maker)
        yield Fact("DNS zone share", name, layer, {}, one.id, one.zone_id, {"zone": one.zone_id})


def zone_transfers(view: View) -> Iterator[Fact]:
    for one, zone, maker in _of_zones(view, "DNS zone transfers"):
        name = zone_transfer_name(zone, view.project(one.target_project_id))
        yield view.fact("DNS zone transfer", name, maker, one.id, parent=one.zone_id)


def _of_zones(view: View, source: str) -> Iterator[tuple[Any, str, str]]:
    """What hangs on zones that are the operator's: each with the zone's name and its layer."""
    zones = {zone.id: (zone.name, maker) for zone, maker in operators(view, "DNS zones")}
    for one in view.all(source):
        if one.zone_id in zones:
            yield one, *zones[one.zone_id]


def designates_own(record: Mapping[str, Any]) -> bool:
    """Whether Designate wrote a record set by itself. It does so at a zone's own name only: name servers below it hand a part of
    the zone to somebody else."""
    return record["type"] in APEX_OWN and record["name"] == record["zone_name"]
