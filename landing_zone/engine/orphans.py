"""Things that were being made when a run was killed: perhaps they exist, and nobody knows them.

The engine notes what it is about to make before it asks the cloud. After a kill such a note says: this may exist. Each
kind is found by what the note says of it (names are ours and unique) and removed, so that the next `up` makes it anew.
Kinds that are not listed here are safe to ask for twice: grants, memberships, quotas.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from openstack.compute.v2.server import Server
from openstack.connection import Connection
from openstack.exceptions import raise_from_response

from foundation.errors import LzError, Problem
from landing_zone.engine.clouds import keystone

Inputs = Mapping[str, Any]
DELETE_TIMEOUT = 300.0
WITH_SHARES = {"X-Designate-Delete-Shares": "true"}  # without it Designate refuses to remove a zone that is shared
ALL_PROJECTS = {"X-Auth-All-Projects": "true"}  # with it an administrator reaches what is another project's in Designate


@dataclass(frozen=True)
class Orphan:
    """Something in the cloud that no state knows: its id, and how it is removed."""

    id: str
    remove: Callable[[], object]


Finder = Callable[[Connection, Inputs], Iterable[Orphan]]


def find(connection: Connection, kind: str, inputs: Inputs) -> tuple[Orphan, ...]:
    """What a noted creation may have left. `kind` is the resource's type token."""
    finder = FINDERS.get(kind)
    return tuple(finder(connection, inputs)) if finder else ()


def remove(connection: Connection, kind: str, inputs: Inputs) -> tuple[str, ...]:
    """Remove what a noted creation may have left; returns the ids that were removed."""
    found = find(connection, kind, inputs)
    for orphan in found:
        orphan.remove()
    return tuple(orphan.id for orphan in found)


def _project(connection: Connection, inputs: Inputs) -> Iterable[Orphan]:
    if inputs.get("isDomain"):
        for domain in keystone(connection).domains(name=inputs["name"]):
            yield Orphan(domain.id, partial(_remove_domain, connection, domain.id))
        return
    for project in keystone(connection).projects(name=inputs["name"], domain_id=inputs["domainId"]):
        yield Orphan(project.id, partial(keystone(connection).delete_project, project))


def _remove_domain(connection: Connection, domain: str) -> None:
    """Keystone removes a domain only after it was switched off."""
    keystone(connection).update_domain(domain, is_enabled=False)
    keystone(connection).delete_domain(domain)


def _group(connection: Connection, inputs: Inputs) -> Iterable[Orphan]:
    for group in keystone(connection).groups(name=inputs["name"], domain_id=inputs["domainId"]):
        yield Orphan(group.id, partial(keystone(connection).delete_group, group))


def _user(connection: Connection, inputs: Inputs) -> Iterable[Orphan]:
    for user in keystone(connection).users(name=inputs["name"], domain_id=inputs["domainId"]):
        yield Orphan(user.id, partial(keystone(connection).delete_user, user))


def _network(connection: Connection, inputs: Inputs) -> Iterable[Orphan]:
    for network in connection.network.networks(name=inputs["name"], project_id=inputs["tenantId"]):
        yield Orphan(network.id, partial(connection.network.delete_network, network))


def _subnet(connection: Connection, inputs: Inputs) -> Iterable[Orphan]:
    for subnet in connection.network.subnets(name=inputs["name"], network_id=inputs["networkId"]):
        yield Orphan(subnet.id, partial(connection.network.delete_subnet, subnet))


def _router(connection: Connection, inputs: Inputs) -> Iterable[Orphan]:
    for router in connection.network.routers(name=inputs["name"], project_id=inputs["tenantId"]):
        yield Orphan(router.id, partial(connection.network.delete_router, router))


def _router_interface(connection: Connection, inputs: Inputs) -> Iterable[Orphan]:
    """Neutron removes the port with the interface; the refresh that follows tells the engine so."""
    port = connection.network.find_port(inputs["portId"])
    if port is not None and port.device_id == inputs["routerId"]:
        yield Orphan(port.id, partial(connection.network.remove_interface_from_router, inputs["routerId"], port=port.id))


def _routes(connection: Connection, inputs: Inputs) -> Iterable[Orphan]:
    """With one that leads through it no router leaves a network: what nobody knows of would keep `lz down` from its end."""
    router = connection.network.find_router(inputs["routerId"])
    wanted = [{"destination": one["destinationCidr"], "nexthop": one["nextHop"]} for one in inputs.get("routes") or ()]
    made = [route for route in (router.routes or ()) if route in wanted] if router else []
    if router and made:
        body = {"router": {"routes": made}}
        yield Orphan(router.id, partial(connection.network.remove_extra_routes_from_router, router.id, body=body))


def _port(connection: Connection, inputs: Inputs) -> Iterable[Orphan]:
    for port in connection.network.ports(name=inputs["name"], network_id=inputs["networkId"]):
        yield Orphan(port.id, partial(connection.network.delete_port, port))


def _floating_ip(connection: Connection, inputs: Inputs) -> Iterable[Orphan]:
    for address in connection.network.ips(description=inputs["description"], project_id=inputs["tenantId"]):
        yield Orphan(address.id, partial(connection.network.delete_ip, address))


def _security_group(connection: Connection, inputs: Inputs) -> Iterable[Orphan]:
    for group in connection.network.security_groups(name=inputs["name"], project_id=inputs["tenantId"]):
        yield Orphan(group.id, partial(connection.network.delete_security_group, group))


def _security_group_rule(connection: Connection, inputs: Inputs) -> Iterable[Orphan]:
    wanted = {
        "direction": inputs["direction"],
        "ether_type": inputs["ethertype"],
        "protocol": inputs.get("protocol"),
        "port_range_min": inputs.get("portRangeMin"),
        "port_range_max": inputs.get("portRangeMax"),
        "remote_ip_prefix": inputs.get("remoteIpPrefix"),
    }
    for rule in connection.network.security_group_rules(security_group_id=inputs["securityGroupId"]):
        if all(getattr(rule, name) == value for name, value in wanted.items()):
            yield Orphan(rule.id, partial(connection.network.delete_security_group_rule, rule))


def _rbac_policy(connection: Connection, inputs: Inputs) -> Iterable[Orphan]:
    for policy in connection.network.rbac_policies(object_id=inputs["objectId"]):
        if policy.target_project_id == inputs["targetTenant"] and policy.action == inputs["action"]:
            yield Orphan(policy.id, partial(connection.network.delete_rbac_policy, policy))


def _address_scope(connection: Connection, inputs: Inputs) -> Iterable[Orphan]:
    for scope in connection.network.address_scopes(name=inputs["name"], project_id=inputs["projectId"]):
        yield Orphan(scope.id, partial(connection.network.delete_address_scope, scope))


def _subnet_pool(connection: Connection, inputs: Inputs) -> Iterable[Orphan]:
    for pool in connection.network.subnet_pools(name=inputs["name"], project_id=inputs["projectId"]):
        yield Orphan(pool.id, partial(connection.network.delete_subnet_pool, pool))


def _instance(connection: Connection, inputs: Inputs) -> Iterable[Orphan]:
    """The port tells which instance has it; one that never got so far is known by its name and the port's project."""
    port = connection.network.find_port(inputs["networks"][0]["port"])
    if port is None:
        return
    servers = connection.compute.servers(all_projects=True, name=f"^{inputs['name']}$", project_id=port.project_id)
    for server in servers:
        if server.name == inputs["name"]:
            yield Orphan(server.id, partial(_remove_instance, connection, server))


def _remove_instance(connection: Connection, server: Server) -> None:
    connection.compute.delete_server(server)
    connection.compute.wait_for_delete(server, wait=DELETE_TIMEOUT)


def _zone(connection: Connection, inputs: Inputs) -> Iterable[Orphan]:
    for zone in connection.dns.zones(name=inputs["name"], all_projects=True):
        if zone.project_id != inputs["projectId"]:
            continue
        yield Orphan(zone.id, partial(remove_zone, connection, zone.id, inputs["name"]))


def remove_zone(connection: Connection, zone: str, name: str) -> None:
    """Designate answers before a zone is gone, and counts it against the quota until then.

    An administrator reaches a zone of another project only by a header that the library's own call does not send. Of a zone that
    is shared the shares go with it.
    """
    raise_from_response(connection.dns.delete(f"/zones/{zone}", headers={**ALL_PROJECTS, **WITH_SHARES}))
    deadline = time.monotonic() + DELETE_TIMEOUT
    while any(other.id == zone for other in connection.dns.zones(name=name, all_projects=True)):
        if time.monotonic() > deadline:
            raise LzError(Problem(f"DNS zone {name} does not go away", where=zone, cure="look at Designate's worker"))
        time.sleep(1)


FINDERS: Mapping[str, Finder] = {
    "openstack:identity/project:Project": _project,
    "openstack:identity/groupV3:GroupV3": _group,
    "openstack:identity/user:User": _user,
    "openstack:networking/network:Network": _network,
    "openstack:networking/subnet:Subnet": _subnet,
    "openstack:networking/router:Router": _router,
    "openstack:networking/routerInterface:RouterInterface": _router_interface,
    "openstack:networking/routerRoutesV2:RouterRoutesV2": _routes,
    "openstack:networking/port:Port": _port,
    "openstack:networking/floatingIp:FloatingIp": _floating_ip,
    "openstack:networking/secGroup:SecGroup": _security_group,
    "openstack:networking/secGroupRule:SecGroupRule": _security_group_rule,
    "openstack:networking/rbacPolicyV2:RbacPolicyV2": _rbac_policy,
    "openstack:networking/addressScope:AddressScope": _address_scope,
    "openstack:networking/subnetPool:SubnetPool": _subnet_pool,
    "openstack:compute/instance:Instance": _instance,
    "openstack:dns/zone:Zone": _zone,
}
