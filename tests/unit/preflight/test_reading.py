"""How a TLS endpoint is tried, against servers of this machine; and what the SDK answers becomes plain facts."""

from __future__ import annotations

import ssl
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import MagicMock
from urllib.parse import urlsplit

import pytest
from requests import Response

from landing_zone.engine.clouds import Cloud
from landing_zone.engine.opening import load_plan
from landing_zone.planners.plan import QuotaSpec
from landing_zone.preflight import reading
from landing_zone.preflight.demand import NETWORK_LIMITS, Account, Wanted, need
from landing_zone.preflight.facts import DnsZone, Handshake, Host, Image, Limit, Outer
from landing_zone.preflight.reading import Place
from tests.support.keystone import keystone, make_certificates

FREE = {"limit": 1, "used": 0, "reserved": 0}


def tried(folder: Path, *, days: int = 30, host: str = "127.0.0.1", other_authority: bool = False) -> Handshake:
    certificates = make_certificates(folder / "server", days=days)
    authority = make_certificates(folder / "other").ca if other_authority else certificates.ca
    with keystone(certificates) as url:
        return reading.handshake(host, urlsplit(url).port or 0, ssl.create_default_context(cafile=str(authority)))


def test_a_good_endpoint_tells_how_long_its_certificate_lasts(tmp_path: Path) -> None:
    found = tried(tmp_path)
    assert found.error == ""
    assert 28 < found.days < 31
    assert found.protocol in ("TLSv1.2", "TLSv1.3")


def test_what_is_wrong_with_an_endpoint_is_told(tmp_path: Path) -> None:
    assert "expired" in tried(tmp_path / "a", days=-1).error
    assert "mismatch" in tried(tmp_path / "b", host="localhost").error
    assert "verify failed" in tried(tmp_path / "c", other_authority=True).error
    assert "refused" in reading.handshake("127.0.0.1", 1, ssl.create_default_context()).error


def place(connection: Any) -> Place:
    return Place(need(load_plan("lab").regions["north"], {}), Cloud("lab-north", "https://x.example", None), connection)


def test_endpoints_that_speak_in_clear_are_told(tmp_path: Path) -> None:
    connection = MagicMock()
    connection.service_catalog = [
        {"endpoints": [{"interface": "public", "url": "http://cloud.example/v1"}, {"interface": "internal", "url": "x"}]}
    ]
    assert reading.certificates(place(connection)) == (Handshake("cloud.example", error="it speaks http, in clear"),)


def test_limits_are_tried_on_a_project_that_nobody_has() -> None:
    connection = MagicMock(current_project_id="own")
    connection.object_store.get_endpoint.return_value = "https://store.example/v1/AUTH_own"
    refused, none = (Response() for _ in range(2))
    refused.status_code, none.status_code = 403, 404
    connection.object_store.head.return_value = refused
    connection.key_manager.get.return_value = none
    assert list(reading.limits(place(connection))) == ["object-store"]
    connection.object_store.head.assert_called_once_with(f"https://store.example/v1/AUTH_{'0' * 32}")


def test_free_addresses_are_those_of_ipv4() -> None:
    connection = MagicMock()
    connection.network.networks.return_value = [SimpleNamespace(name="public", id="n1"), SimpleNamespace(name="other", id="n2")]
    parts = [{"ip_version": 4, "total_ips": 9, "used_ips": 4}, {"ip_version": 4, "total_ips": 2, "used_ips": 1}]
    connection.network.get_network_ip_availability.return_value.subnet_ip_availability = [
        *parts,
        {"ip_version": 6, "total_ips": 10**9, "used_ips": 1},
    ]
    assert reading.outer_networks(place(connection)) == (Outer("public", 6, "n1"), Outer("other", None, "n2"))


def test_names_in_a_domain_are_compared_without_capitals() -> None:
    """As MySQL does it, on which Keystone has its names once a domain."""
    connection = MagicMock()
    connection.identity.domains.return_value = [SimpleNamespace(name="Lab-Edu", id="d2")]
    connection.identity.projects.return_value = [
        SimpleNamespace(name="LAB-edu-main", id="x1"),
        SimpleNamespace(name="lab-edu-mine", id="x2"),
    ]
    connection.identity.groups.return_value = []
    here = place(connection)
    project, group = Wanted("project", "lab-edu-main", "d1"), Wanted("group", "lab-edu-main", "d1")
    found = reading.taken(replace(here, need=replace(here.need, identities=(project, group))))
    assert found.identities == {project: ("x1",)}
    assert found.domains == {"lab-edu": ("d2",)}
    connection.identity.projects.assert_called_once_with(domain_id="d1")
    connection.identity.users.assert_not_called()


def test_dns_zones_around_those_of_the_plan_are_read_and_no_others() -> None:
    connection = MagicMock()
    names = ["lab.gclz.internal.", "A.edu.north.lab.gclz.internal.", "edu.north.lab.gclz.internal.", "xedu.north.lab.gclz.internal."]
    connection.dns.zones.return_value = [SimpleNamespace(name=name, id=f"z{index}", project_id="p1") for index, name in enumerate(names)]
    found = reading.taken(place(connection))
    assert found.around == (DnsZone("lab.gclz.internal.", "z0", "p1"), DnsZone("a.edu.north.lab.gclz.internal.", "z1", "p1"))
    assert found.zones == {"edu.north.lab.gclz.internal.": ("z2",)}


def test_images_are_read_with_who_sees_them() -> None:
    connection = MagicMock()
    connection.compute.flavors.return_value = []
    both = {"name": "debian-13", "status": "active", "min_ram": None, "min_disk": 1, "owner": "p1"}
    connection.image.images.return_value = [
        SimpleNamespace(id="i1", visibility="public", **both),
        SimpleNamespace(id="i2", visibility="shared", **both),
    ]
    connection.image.members.return_value = [
        SimpleNamespace(member_id="p2", status="accepted"),
        SimpleNamespace(member_id="p3", status="pending"),
    ]
    assert reading.content(place(connection)).images == (
        Image("debian-13", "i1", "active", 0, 1, "public", "p1"),
        Image("debian-13", "i2", "active", 0, 1, "shared", "p1", frozenset({"p2"})),
    )
    connection.image.images.assert_called_once_with(name="debian-13", visibility="all")
    connection.image.members.assert_called_once_with("i2")


def test_hosts_are_those_that_placement_offers_with_what_it_has_left() -> None:
    connection = MagicMock()
    names = load_plan("lab").regions["north"].demand.flavors
    connection.compute.flavors.return_value = [SimpleNamespace(name=name, vcpus=1, ram=1024, disk=0) for name in names]
    connection.compute.services.return_value = [SimpleNamespace(host="h1", availability_zone="nova")]
    connection.placement.resource_providers.return_value = [SimpleNamespace(id="r1", name="h1")]
    summary = {"resources": {"VCPU": {"capacity": 16, "used": 3}, "MEMORY_MB": {"capacity": 4096, "used": 4096}}}
    connection.placement.get.return_value.json.return_value = {"provider_summaries": {"r1": summary}}
    found = reading.rooms(place(connection))
    assert found.hosts == dict.fromkeys(names, (Host("h1", "nova", {"VCPU": 13, "MEMORY_MB": 0}),))
    asked = connection.placement.get.call_args.kwargs["params"]
    assert (asked["resources"], asked["required"]) == ("VCPU:1,MEMORY_MB:1024", "!COMPUTE_STATUS_DISABLED")


def test_the_dns_quota_is_read_with_the_zones_that_count_against_it() -> None:
    connection = MagicMock()
    connection.network.get_quota.return_value = SimpleNamespace(**dict.fromkeys(NETWORK_LIMITS, FREE))
    connection.dns.get.return_value.json.return_value = {"zones": 3}
    connection.dns.zones.return_value = [SimpleNamespace(project_id="p1"), SimpleNamespace(project_id="p2")]
    found = reading._limits(connection, Account("x", "p1", QuotaSpec(), frozenset(), QuotaSpec(dns_zones=1)), "p1")
    assert found["dns_zones"] == Limit(3, 1)
    assert connection.dns.get.call_args.args == ("/quotas/p1",)


@pytest.mark.parametrize("lowered", [frozenset({"cores"}), frozenset[str]()])
def test_novas_limits_are_read_where_they_are_lowered(lowered: frozenset[str]) -> None:
    figures = {"instances": 4, "cores": 8, "ram": 8192}
    quota = MagicMock(usage=dict.fromkeys(figures, 3), reservation=dict.fromkeys(figures, 1))
    quota.__getitem__.side_effect = figures.__getitem__
    connection = MagicMock()
    connection.compute.get_quota_set.return_value = quota
    found = reading._limits(connection, Account("x", "p1", QuotaSpec(), frozenset(), QuotaSpec(), lowered=lowered), "p1")
    assert found.get("cores") == (Limit(8, 3, 1) if lowered else None)


def test_only_projects_in_which_something_is_made_are_asked_for() -> None:
    connection = MagicMock()
    connection.network.get_quota.return_value.rbac_policies = {"limit": 10, "used": 3, "reserved": 1}
    found = reading.quotas(place(connection))
    assert found.projects == {}
    assert found.administrator == {"rbac_policies": Limit(10, 3, 1)}
