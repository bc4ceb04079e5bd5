"""The graph by plain calls of openstacksdk: no state, no preview, no second look. Nothing that keeps a state can do with fewer calls.

Tenants and resources are worked on side by side exactly as many at once as by the project's engine.

python -m benchmarks.graph.plain up|down --tenants 5 --cloud lab-north --region north
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

from keystoneauth1.session import TCPKeepAliveAdapter
from openstack.connection import Connection

from benchmarks.graph import words
from benchmarks.graph.description import PREFIX, Ref, Tenant, Value, describe, filled
from landing_zone.engine import clouds, schedule
from landing_zone.engine.clouds import keystone
from landing_zone.engine.runs import WIDTH
from landing_zone.engine.stack import PARALLEL

Ids = dict[Ref, str]
Properties = Mapping[str, Any]


def up(cloud: Connection, graph: tuple[Tenant, ...], width: int = WIDTH, parallel: int = PARALLEL) -> None:
    """Make the graph, each resource after those that it refers to."""

    with ThreadPoolExecutor(max_workers=width) as pool:
        for done in [pool.submit(_tenant, cloud, tenant, parallel) for tenant in graph]:
            done.result()


def down(cloud: Connection, width: int = WIDTH, parallel: int = PARALLEL) -> None:
    """Remove everything whose name is one of the graph's, kind by kind: what others stand on goes last."""
    with ThreadPoolExecutor(max_workers=width * parallel) as pool:
        for kind in REMOVERS:
            for done in [pool.submit(removal) for removal in kind(cloud)]:
                done.result()


def needs(tenant: Tenant) -> dict[Ref, frozenset[Ref]]:
    """The resources of a tenant, each with those that it refers to."""
    return {node.ref: frozenset(_refs(tuple(node.properties.values()))) for node in tenant.nodes}


def _tenant(cloud: Connection, tenant: Tenant, parallel: int) -> None:
    nodes = {node.ref: node for node in tenant.nodes}
    ids: Ids = {}

    def make(ref: Ref) -> None:
        node = nodes[ref]
        ids[ref] = MAKERS[node.kind](cloud, {name: filled(value, ids.__getitem__) for name, value in node.properties.items()})

    schedule.run(needs(tenant), make, parallel)


def _refs(value: Value) -> list[Ref]:
    if isinstance(value, Ref):
        return [value]
    if isinstance(value, str | int):
        return []
    inner = value.values() if isinstance(value, Mapping) else value
    return [ref for each in inner for ref in _refs(each)]


# ---------------------------------------------------------------------------------------------------------------- make
def _project(cloud: Connection, given: Properties) -> str:
    return str(keystone(cloud).create_project(**given).id)


def _group(cloud: Connection, given: Properties) -> str:
    return str(keystone(cloud).create_group(**given).id)


def _interface(cloud: Connection, given: Properties) -> str:
    cloud.network.add_interface_to_router(given["router_id"], port=given["port_id"])
    return str(given["port_id"])


def _security_group(cloud: Connection, given: Properties) -> str:
    """Its default rules are removed, as both sides do."""
    rest = {name: value for name, value in given.items() if name not in {"tags", "tenant_id", "delete_default_rules"}}
    made = cloud.network.create_security_group(project_id=given["tenant_id"], **rest)
    for rule in made.security_group_rules:
        cloud.network.delete_security_group_rule(rule["id"])
    cloud.network.set_tags(made, given["tags"])
    return str(made.id)


def _rule(cloud: Connection, given: Properties) -> str:
    rest = {name: value for name, value in given.items() if name not in {"tenant_id", "ethertype"}}
    made = cloud.network.create_security_group_rule(project_id=given["tenant_id"], ether_type=given["ethertype"], **rest)
    return str(made.id)


RENAMED = {
    "tenant_id": "project_id",
    "admin_state_up": "is_admin_state_up",
    "port_security_enabled": "is_port_security_enabled",
    "enable_dhcp": "is_dhcp_enabled",
    "fixed_ip": "fixed_ips",
}


def _tagged(kind: str) -> Callable[[Connection, Properties], str]:
    """A network, subnet, router or port; its tags are a call of their own."""

    def make(cloud: Connection, given: Properties) -> str:
        rest = {RENAMED.get(name, name): value for name, value in given.items() if name not in {"tags", "no_security_groups"}}
        if "no_security_groups" in given:
            rest["security_group_ids"] = []
        made = getattr(cloud.network, f"create_{kind}")(**rest)
        cloud.network.set_tags(made, given["tags"])
        return str(made.id)

    return make


MAKERS: Mapping[str, Callable[[Connection, Properties], str]] = {
    "openstack_identity_project_v3": _project,
    "openstack_identity_group_v3": _group,
    "openstack_networking_network_v2": _tagged("network"),
    "openstack_networking_subnet_v2": _tagged("subnet"),
    "openstack_networking_router_v2": _tagged("router"),
    "openstack_networking_port_v2": _tagged("port"),
    "openstack_networking_router_interface_v2": _interface,
    "openstack_networking_secgroup_v2": _security_group,
    "openstack_networking_secgroup_rule_v2": _rule,
}


# -------------------------------------------------------------------------------------------------------------- remove
Removal = Callable[[], object]


def _legs(cloud: Connection) -> list[Removal]:
    legs = [port for port in cloud.network.ports(device_owner="network:router_interface") if port.name.startswith(PREFIX)]
    return [partial(cloud.network.remove_interface_from_router, port.device_id, port=port.id) for port in legs]


def _rules(cloud: Connection) -> list[Removal]:
    rules = [rule for rule in cloud.network.security_group_rules() if (rule.description or "").startswith(PREFIX)]
    return [partial(cloud.network.delete_security_group_rule, rule.id) for rule in rules]


def _all(service: str, kind: str) -> Callable[[Connection], list[Removal]]:
    """Everything of a kind by its name."""

    def found(cloud: Connection) -> list[Removal]:
        proxy = keystone(cloud) if service == "identity" else cloud.network
        things = [thing for thing in getattr(proxy, f"{kind}s")() if (thing.name or "").startswith(PREFIX)]
        return [partial(getattr(proxy, f"delete_{kind}"), thing.id) for thing in things]

    return found


def _domains(cloud: Connection) -> list[Removal]:
    """Only what is disabled may be removed."""

    def remove(identity: str) -> None:
        keystone(cloud).update_domain(identity, is_enabled=False)
        keystone(cloud).delete_domain(identity)

    return [partial(remove, domain.id) for domain in keystone(cloud).domains() if domain.name.startswith(PREFIX)]


REMOVERS: tuple[Callable[[Connection], list[Removal]], ...] = (
    _legs,
    _rules,
    _all("network", "port"),
    _all("network", "security_group"),
    _all("network", "router"),
    _all("network", "network"),  # with its subnets
    _all("identity", "project"),
    _all("identity", "group"),
    _domains,
)


def connected(name: str, region: str, calls: int) -> Connection:
    """Signed in, with both services found and room for that many calls at once.

    By default only ten connections are kept, and a further one is opened anew for each call.
    """
    cloud = clouds.connect(clouds.use([name])[name], region)
    cloud.session.mount("https://", TCPKeepAliveAdapter(pool_maxsize=calls))
    keystone(cloud).get_endpoint_data()
    cloud.network.get_endpoint_data()
    return cloud


def main() -> None:
    """Do one step."""
    given = words.step(__doc__, ("up", "down"))
    cloud = connected(given.cloud, given.region, given.width * given.parallel)
    if given.step == "up":
        up(cloud, describe(given.tenants), given.width, given.parallel)
    else:
        down(cloud, given.width, given.parallel)


if __name__ == "__main__":
    main()
