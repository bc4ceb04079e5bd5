"""Matching Terraform names with Pulumi tokens."""

from __future__ import annotations

from pathlib import Path

import pytest

from foundation.errors import LzError
from tools import tokens

PROVIDER_GO = """
    DataSourcesMap: map[string]*schema.Resource{
        "openstack_dns_zone_v2": dataSourceDNSZoneV2(),
        "openstack_networking_network_v2": dataSourceNetworkingNetworkV2(),
    },
    ResourcesMap: map[string]*schema.Resource{
        "openstack_networking_network_v2": resourceNetworkingNetworkV2(),
        "openstack_lb_pool_v2": resourcePoolV2(),
    },
"""


def test_names_are_read_from_the_providers_source() -> None:
    names = tokens.terraform_names(PROVIDER_GO)
    assert names.resources == {"openstack_networking_network_v2", "openstack_lb_pool_v2"}
    assert names.functions == {"openstack_dns_zone_v2", "openstack_networking_network_v2"}


def test_tokens_are_read_from_the_python_package(tmp_path: Path) -> None:
    (tmp_path / "network.py").write_text("super(Network, __self__).__init__(\n    'openstack:networking/network:Network',\n    name)")
    (tmp_path / "get.py").write_text("pulumi.runtime.invoke_output('openstack:networking/getNetwork:getNetwork', args)")
    names = tokens.pulumi_tokens(tmp_path)
    assert names.resources == {"openstack:networking/network:Network"}
    assert names.functions == {"openstack:networking/getNetwork:getNetwork"}


def test_a_name_finds_its_token_by_module_and_stem() -> None:
    known = ["openstack:loadbalancer/pool:Pool", "openstack:networking/network:Network", "openstack:networking/port:Port"]
    assert tokens.match(["openstack_lb_pool_v2", "openstack_networking_network_v2", "openstack_new_thing_v1"], known, "") == {
        "openstack_lb_pool_v2": "openstack:loadbalancer/pool:Pool",
        "openstack_networking_network_v2": "openstack:networking/network:Network",
    }


@pytest.mark.parametrize(("version", "token"), [("v2", "volumeV2:VolumeV2"), ("v3", "volume:Volume")])
def test_the_version_in_a_class_name_decides_between_two(version: str, token: str) -> None:
    known = ["openstack:blockstorage/volumeV2:VolumeV2", "openstack:blockstorage/volume:Volume"]
    name = f"openstack_blockstorage_volume_{version}"
    assert tokens.match([name], known, "") == {name: f"openstack:blockstorage/{token}"}


def test_a_name_without_a_token_is_an_error() -> None:
    with pytest.raises(LzError, match="openstack_lb_pool_v2"):
        tokens.table(tokens.terraform_names(PROVIDER_GO), tokens.Names(frozenset(), frozenset()))
