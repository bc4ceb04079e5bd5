"""Addresses: regions never overlap, and everything lies in the lab's range."""

from __future__ import annotations

import itertools

from lab.settings import LAB_RANGE, REGIONS, SERVICES, WAN


def test_regions_lie_apart_inside_the_lab_range() -> None:
    blocks = [region.block for region in REGIONS.values()] + [WAN]
    assert all(block.subnet_of(LAB_RANGE) for block in blocks)
    assert not any(one.overlaps(two) for one, two in itertools.combinations(blocks, 2))


def test_link_and_floating_addresses_lie_apart_inside_the_region() -> None:
    for region in REGIONS.values():
        assert region.link.subnet_of(region.block)
        assert region.floating.subnet_of(region.block)
        assert not region.link.overlaps(region.floating)
        assert region.api in region.link
        assert region.host_side.ip in region.link
        assert region.host_side.ip != region.api


def test_documented_addresses() -> None:
    assert str(REGIONS["north"].api) == "198.18.0.2"
    assert str(REGIONS["south"].api) == "198.18.16.2"
    assert str(REGIONS["north"].floating) == "198.18.1.0/24"
    assert str(REGIONS["south"].floating) == "198.18.17.0/24"


def test_every_service_has_a_port_of_its_own_and_a_tls_url() -> None:
    assert len({service.port for service in SERVICES}) == len(SERVICES)
    assert {service.name for service in SERVICES} == {
        "keystone", "glance", "placement", "nova", "neutron", "cinder", "swift", "octavia", "barbican", "designate",
    }  # fmt: skip
    assert REGIONS["south"].url(SERVICES[0]) == "https://198.18.16.2:5000/v3"


def test_interface_names_fit_the_kernel() -> None:
    assert all(len(region.host_link) <= 15 for region in REGIONS.values())
