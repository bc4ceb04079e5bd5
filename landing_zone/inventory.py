"""What stands: the instances of an environment, for people, for SSH and for Ansible."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from openstack.connection import Connection

from landing_zone.engine.home import Home
from landing_zone.engine.runs import Selection
from landing_zone.engine.stack import StackKey, Stacks
from landing_zone.planners.plan import EnvironmentPlan, InstanceSpec, RegionPlan
from landing_zone.planners.shares import PROBES, TENANT
from landing_zone.ssh.hosts import Host, host
from stacks.inputs import principal

GONE = "GONE"


def hosts(plan: EnvironmentPlan, stacks: Stacks, regions: Iterable[str]) -> list[Host]:
    """Every instance that stands, as the stacks' outputs tell it; bastions first."""
    return [one for region in regions for one in _of_region(plan.regions[region], plan.code, stacks)]


def _of_region(region: RegionPlan, environment: str, stacks: Stacks) -> list[Host]:
    bastion = region.access.bastion
    made = stacks.outputs(StackKey(environment, region.name, "access")).get("bastion")
    if not made:
        return []
    found = [host(bastion, region.name, made["instance"], made["address"], None)]
    probes = stacks.outputs(StackKey(environment, region.name, PROBES)).get("instances", {})
    for spec in region.probes.instances:
        if spec.name in probes:
            found.append(host(spec, region.name, probes[spec.name], spec.addresses[0][1], bastion.hostname))
    return found


def chosen(plan: EnvironmentPlan, found: Iterable[Host], part: Selection) -> list[Host]:
    """The hosts of a part of the environment: those that its layers make, and those in networks of its tenants."""
    planned = specs(plan)

    def belongs(one: Host) -> bool:
        layers = [PROBES, f"{TENANT}{planned[one.name].tenant}"] if one.through else ["access"]
        return any(part.has(one.region, layer) for layer in layers)

    return [one for one in found if belongs(one)]


def specs(plan: EnvironmentPlan) -> Mapping[str, InstanceSpec]:
    """Planned instances by host name."""
    return {spec.hostname: spec for region in plan.regions.values() for spec in (region.access.bastion, *region.probes.instances)}


def live(connection: Connection, found: Iterable[Host]) -> dict[str, str]:
    """What Nova says of each host of one region, by name: its status, such as ACTIVE or SHUTOFF, or GONE where it knows none.

    Raises SDKException or ClientException when Nova does not answer.
    """
    there = {server.id: str(server.status) for server in connection.compute.servers(all_projects=True)}
    return {one.name: there.get(one.instance, GONE) for one in found}


def ansible(plan: EnvironmentPlan, home: Home, found: Iterable[Host], status: Mapping[str, str]) -> dict[str, Any]:
    """The inventory as a file that Ansible reads (its YAML form): groups by region, zone, tenant and profile, and how each host is reached.

    status: what Nova says, by name; null in the inventory where it said nothing.
    """
    planned = specs(plan)
    groups: dict[str, list[str]] = {}
    variables: dict[str, dict[str, Any]] = {}
    for one in found:
        spec, profile = planned[one.name], "base" if one.through else "bastion"
        tenant = [f"tenant_{spec.tenant}"] if spec.tenant else []
        labels = [f"region_{one.region}", f"zone_{spec.zone}", *tenant, f"profile_{profile}"]
        for label in labels:
            groups.setdefault(label.replace("-", "_"), []).append(one.name)
        variables[one.name] = {
            "ansible_host": one.name,
            "ansible_user": one.user,
            "ansible_ssh_common_args": f"-F {home.ssh_config}",
            "lz_region": one.region,
            "lz_zone": spec.zone,
            "lz_tenant": spec.tenant,
            "lz_instance": one.instance,
            "lz_status": status.get(one.name),
            "lz_addresses": [ip for _, ip in spec.addresses],
            # What the hardening role must know to leave the way in open.
            "node_baseline_profile": profile,
            "node_baseline_ssh": {
                "user_ca_keys": [home.user_ca_public],
                "principals": {one.user: [one.name, principal(plan.code, one.region)]},
            },
        }
    children = {name: {"hosts": dict.fromkeys(sorted(members))} for name, members in sorted(groups.items())}
    return {"all": {"hosts": variables, "children": children}}
