"""The inventory for Ansible: a file that Ansible itself takes, with what the hardening role must know to leave the way in open."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import MagicMock

import pytest

from landing_zone import inventory
from landing_zone.engine.home import Home
from landing_zone.engine.runs import Selection
from landing_zone.engine.stack import StackKey
from landing_zone.ssh.hosts import Host, host
from tests.unit.engine.support import FakeStacks, plan


def test_hosts_are_what_stacks_gave_out_and_reached_through_their_own_bastion(tmp_path: Path) -> None:
    made = plan()
    north = made.regions["north"]
    first, *others = north.probes.instances
    given = {
        "lab.north.access": {"bastion": {"instance": "i1", "address": "198.18.1.10"}},
        "lab.north.probes": {"instances": {first.name: "i2"}},
        "lab.south.probes": {"instances": {others[0].name: "i3"}},  # nobody gets there
    }

    class Standing(FakeStacks):
        def outputs(self, key: StackKey) -> dict[str, Any]:
            return given.get(key.name, {})

    stacks: Any = Standing(Home(tmp_path))
    way_in = north.access.bastion
    assert inventory.hosts(made, stacks, ["north", "south"]) == [
        Host(way_in.hostname, "north", "i1", "198.18.1.10", way_in.user, None),
        Host(first.hostname, "north", "i2", first.addresses[0][1], first.user, way_in.hostname),
    ]


def test_nova_is_asked_about_all_projects() -> None:
    """An instance is in the project of the account that made it."""
    nova = MagicMock()
    nova.compute.servers.return_value = [SimpleNamespace(id="i1", status="SHUTOFF")]
    found = [Host(name, "north", instance, "x", "debian", None) for name, instance in (("one", "i1"), ("two", "i2"))]
    assert inventory.live(nova, found) == {"one": "SHUTOFF", "two": "GONE"}
    nova.compute.servers.assert_called_once_with(all_projects=True)


def test_ansible_takes_it_from_a_file(tmp_path: Path) -> None:
    made, home = plan(), Home(tmp_path)
    bastion = made.regions["north"].access.bastion
    probe = next(spec for spec in made.regions["north"].probes.instances if spec.tenant)
    found = [
        host(bastion, "north", "i1", "198.18.1.10", None),
        host(probe, "north", "i2", "10.64.0.2", bastion.hostname),
    ]
    file = tmp_path / "inventory.json"
    file.write_text(json.dumps(inventory.ansible(made, home, found, {probe.hostname: "ACTIVE"})))
    program = Path(sys.executable).with_name("ansible-inventory")
    taken = json.loads(subprocess.run([program, "-i", file, "--list"], check=True, capture_output=True, text=True).stdout)
    assert taken["region_north"]["hosts"] == sorted(one.name for one in found)
    assert (taken["profile_bastion"]["hosts"], taken["profile_base"]["hosts"]) == ([bastion.hostname], [probe.hostname])
    assert {bastion.hostname} == set(taken[f"zone_{bastion.zone}".replace("-", "_")]["hosts"]) - {probe.hostname}
    known = taken["_meta"]["hostvars"]
    assert (known[bastion.hostname]["node_baseline_profile"], known[probe.hostname]["node_baseline_profile"]) == ("bastion", "base")
    ssh = known[bastion.hostname]["node_baseline_ssh"]
    assert ssh["user_ca_keys"] == [home.user_ca_public]
    assert ssh["principals"] == {bastion.user: [bastion.hostname, "lab.north"]}
    told = {name: value for name, value in known[probe.hostname].items() if name.startswith(("ansible_", "lz_"))}
    assert told == {
        "ansible_host": probe.hostname, "ansible_user": probe.user, "ansible_ssh_common_args": f"-F {home.ssh_config}",
        "lz_region": "north", "lz_zone": probe.zone, "lz_tenant": probe.tenant, "lz_instance": "i2", "lz_status": "ACTIVE",
        "lz_addresses": [ip for _, ip in probe.addresses],
    }  # fmt: skip
    assert taken[f"tenant_{probe.tenant}"]["hosts"] == [probe.hostname]


@pytest.mark.parametrize(
    ("part", "left"),
    [
        (Selection(), 2),
        (Selection(layers=frozenset({"access"})), 1),
        (Selection(layers=frozenset({"probes"})), 1),
        (Selection(tenants=frozenset({"edu"})), 0),
        (Selection(regions=frozenset({"south"})), 0),
    ],
)
def test_a_part_of_it_is_what_its_layers_and_tenants_have(part: Selection, left: int) -> None:
    made = plan()
    bastion, probe = made.regions["north"].access.bastion, made.regions["north"].probes.instances[0]
    found = [host(bastion, "north", "i1", "198.18.1.10", None), host(probe, "north", "i2", "10.64.0.2", bastion.hostname)]
    assert len(inventory.chosen(made, found, part)) == left


def test_a_tenant_has_the_hosts_in_its_networks() -> None:
    made = plan()
    bastion, specs = made.regions["north"].access.bastion, made.regions["north"].probes.instances
    found = [host(spec, "north", "i", "10.64.0.2", bastion.hostname) for spec in specs]
    here = inventory.chosen(made, found, Selection(tenants=frozenset({"edu"})))
    assert {one.name for one in here} == {spec.hostname for spec in specs if spec.tenant == "edu"} != set()
