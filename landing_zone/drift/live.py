"""What was read of a region as facts, in the words of the plan: ids become names, and what is a tenant's own is left out."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from ipaddress import ip_network
from typing import Any

from landing_zone.drift.estate import Estate, Ground
from landing_zone.drift.facts import Fact, Value, address, grant_name, of_owner, prefix, route_name, rule_name, share_name, texts
from landing_zone.drift.kinds import KINDS
from landing_zone.drift.reading import Reading
from landing_zone.planners.shares import TENANT

DEFAULT_GROUP = "default"
INTERFACE = "network:router_interface"  # also with an ending, where routers are distributed
# Ports that Neutron makes by itself: device owner -> how the id of their device begins ("": any; they stand outside of our networks).
NEUTRONS_OWN: Mapping[str, tuple[str, ...]] = {
    "network:dhcp": ("dhcp", "reserved_dhcp_port", "ovnmeta-"),
    "network:distributed": ("ovnmeta-",),
    "network:router_gateway": ("",),
    "network:floatingip": ("",),
    "network:router_centralized_snat": ("",),
    "network:ha_router_replicated_interface": ("",),
}
DESIGNATES_OWN = ("SOA", "NS")
SAME_PROTOCOL = {"icmpv6": "ipv6-icmp", "58": "ipv6-icmp", "1": "icmp", "6": "tcp", "17": "udp"}
SHARED_KINDS = {"network": "networks", "security_group": "security groups", "subnetpool": "subnet pools", "address_scope": "address scopes"}


class View:
    """One reading, with everything in it known by its name.

    `known` are the names by id of what the states of our stacks know: a thing that somebody renamed is still known by its own.
    `dropped` are ids of what the environment file no longer asks for.
    """

    def __init__(self, reading: Reading, ours: Estate, known: Mapping[str, str], dropped: Collection[str] = ()) -> None:
        self._lists = reading.lists
        self.ours = ours
        self.known = known
        self.dropped = dropped
        self.domains = {one.id: known.get(one.id, one.name) for one in self.all("domains")}
        self.projects = {one.id: self._label(one, ours.projects) for one in self.all("projects")}
        self.users = {one.id: self._label(one, ours.machine_users) for one in self.all("users")}
        self.groups = {one.id: self._label(one, ours.groups) for one in self.all("groups")}
        self.homes = {one.id: self.domains.get(one.domain_id, "") for source in OWNED for one in self.all(source)}
        self._names = {source: {one.id: known.get(one.id, one.name) or one.id for one in self.all(source)} for source in NAMED}
        self._owners = {source: {one.id: one.project_id for one in self.all(source)} for source in NAMED if source != "roles"}

    def all(self, source: str) -> Sequence[Any]:
        """Everything of a source; nothing where it could not be read."""
        return self._lists.get(source, ())

    def name(self, source: str, identity: str | None) -> str:
        """The name of something; its id where it is not known."""
        return str(self._names[source].get(identity or "", identity or ""))

    def project(self, identity: str | None) -> str:
        """A project by its name, with its domain where it is not of the plan."""
        return self.projects.get(identity or "", identity or "")

    def ground(self, identity: str | None) -> Ground | None:
        """The landing zone's project of that id; None for any other."""
        return self.ours.grounds.get(self.project(identity))

    def owner(self, source: str, identity: str | None) -> Ground | None:
        """The landing zone's project that a network, router, group and so on belongs to; None when it is not ours."""
        return self.ground(self._owners[source].get(identity or ""))

    def layer(self, kind: str, maker: str) -> str:
        """The layer of a thing of that kind in a project or domain that the layer `maker` makes."""
        return maker if maker.startswith(TENANT) else KINDS[kind].layer

    def fact(self, kind: str, name: str, maker: str, identity: str, parent: str = "", **values: Value) -> Fact:
        """A fact about something in a project or domain that the layer `maker` makes."""
        said = {key.replace("_", " "): value for key, value in values.items()}
        return Fact(kind, name, self.layer(kind, maker), said, identity, parent)

    def maker(self, scope: str, identity: str) -> str | None:
        """The layer that makes a domain or project, or a project by hand in one of our domains; None when it is not ours."""
        if scope == "domain":
            return self.ours.domains.get(self.domains.get(identity, ""))
        ground = self.ground(identity)
        return ground.layer if ground else self.ours.domains.get(self.homes.get(identity, ""))

    def maker_of_holder(self, kind: str, identity: str) -> str | None:
        """The layer that makes a group or a machine account; None for people and for what is not ours."""
        planned = self.ours.groups if kind == "group" else self.ours.machine_users
        home = self.homes.get(identity, "")
        return self.ours.domains.get(home) if (home, (self.groups if kind == "group" else self.users).get(identity)) in planned else None

    def shown(self, one: Any, labels: Mapping[str, str]) -> str:
        """The name that something has now: if it is ours its own, else the one by which others know it."""
        return str(one.name if one.id in self.known else labels[one.id])

    def _label(self, one: Any, planned: Collection[tuple[str, str]]) -> str:
        if one.id in self.known:
            return self.known[one.id]
        domain = self.domains.get(one.domain_id, one.domain_id)
        return one.name if (domain, one.name) in planned else f"{domain}/{one.name}"


OWNED = ("projects", "users", "groups")  # by domains
NAMED = ("networks", "subnets", "routers", "ports", "security groups", "address scopes", "subnet pools", "roles")


# -------------------------------------------------------------------------------------------------------------- identity
def _domains(view: View) -> Iterator[Fact]:
    for one in view.all("domains"):
        maker = view.ours.domains.get(view.domains[one.id])
        if maker:
            yield view.fact("domain", one.name, maker, one.id, description=one.description, enabled=one.is_enabled)


def _projects(view: View) -> Iterator[Fact]:
    for one in view.all("projects"):
        domain = view.homes[one.id]
        if domain not in view.ours.domains and one.id not in view.known:
            continue
        yield view.fact(
            "project",
            view.shown(one, view.projects),
            view.maker("project", one.id) or "",
            one.id,
            domain=domain,
            description=one.description,
            enabled=one.is_enabled,
            tags=texts(one.tags),
        )


def _users(view: View) -> Iterator[Fact]:
    """Accounts of machines, and in the platform's own domain all others too, but for people who sign on by federation."""
    for one in view.all("users"):
        domain = view.homes[one.id]
        maker = view.ours.domains.get(domain)
        ours = (domain, one.name) in view.ours.machine_users or one.id in view.known
        if ours or (maker and not maker.startswith(TENANT) and (domain, one.name) not in view.ours.people):
            name = view.shown(one, view.users)
            yield view.fact("user", name, maker or "", one.id, domain=domain, description=one.description, enabled=one.is_enabled)


def _groups(view: View) -> Iterator[Fact]:
    for one in view.all("groups"):
        domain = view.homes[one.id]
        maker = view.ours.domains.get(domain)
        if maker or one.id in view.known:
            yield view.fact("group", view.shown(one, view.groups), maker or "", one.id, domain=domain, description=one.description)


def _members(view: View) -> Iterator[Fact]:
    """Who is in our groups. In a tenant's groups of people, people of its own domain come and go without us."""
    for group_id, user in view.all("members"):
        group, home = view.groups[group_id], view.homes[group_id]
        maker = view.ours.domains[home]
        of_same = view.domains.get(user.domain_id) == home
        if of_same and maker.startswith(TENANT) and group not in view.ours.machine_groups:
            continue
        name = f"{view.users.get(user.id, user.id)} in {group}"
        yield Fact("group membership", name, view.layer("group membership", maker), {}, "", group_id, {"group": group_id, "user": user.id})


def _grants(view: View) -> Iterator[Fact]:
    """Every assignment in our domains and projects, and every one, wherever, of our groups and machine accounts."""
    for one in view.all("assignments"):
        actor = "group" if one.group else "user"
        actor_id = (one.group or one.user)["id"]
        scope = next(word for word in ("project", "domain", "system") if word in one.scope)
        target_id = "" if scope == "system" else one.scope[scope]["id"]
        maker = view.maker(scope, target_id) or view.maker_of_holder(actor, actor_id)
        if maker is None or target_id in view.dropped:
            continue
        inherited = "OS-INHERIT:inherited_to" in one.scope
        target = view.project(target_id) if scope == "project" else view.domains.get(target_id, target_id)
        holder = f"{actor} {(view.groups if one.group else view.users).get(actor_id, actor_id)}"
        name = grant_name(holder, view.name("roles", one.role["id"]), scope, target, inherited=inherited)
        where = f"/{scope}s/{target_id}" if target_id else "/system"
        path = f"{where}/{actor}s/{actor_id}/roles/{one.role['id']}"
        whole = f"/OS-INHERIT{path}/inherited_to_projects" if inherited else path
        yield Fact("role assignment", name, view.layer("role assignment", maker), {}, "", "", {"path": whole})


def _application_credentials(view: View) -> Iterator[Fact]:
    """Ours are known by the name that they have in their file; in the cloud it ends with the time."""
    for user, one in view.all("application credentials"):
        maker = view.maker_of_holder("user", user) or ""
        yield Fact(
            "application credential",
            view.known.get(one.id) or of_owner(one.name, view.users[user]),
            view.layer("application credential", maker),
            {"unrestricted": bool(one.unrestricted), "ends": bool(one.expires_at), "rules": bool(one.access_rules)},
            one.id,
            user,
            {"user": user},
        )


def _access_keys(view: View) -> Iterator[Fact]:
    """What Keystone keeps for an account beside its password, such as keys for the EC2 and S3 interfaces."""
    for one in view.all("credentials"):
        if view.maker_of_holder("user", one.user_id):
            yield _of_account(view, "access key", f"{one.type} {one.id[:8]}", one.user_id, {"id": one.id})


def _key_pairs(view: View) -> Iterator[Fact]:
    for user, one in view.all("key pairs"):
        yield _of_account(view, "key pair", one.name, user, {"user": user, "name": one.name})


def _of_account(view: View, kind: str, name: str, user: str, at: Mapping[str, str]) -> Fact:
    maker = view.maker_of_holder("user", user) or ""
    return Fact(kind, of_owner(name, view.users[user]), view.layer(kind, maker), {}, "", "", at)


def _quotas(view: View) -> Iterator[Fact]:
    for service in QUOTAS:
        for project, limits in view.all(f"{service} quotas"):
            ground = view.ground(project)
            if ground:
                yield Fact("quota", of_owner(service, view.project(project)), view.layer("quota", ground.layer), limits, "", project)


QUOTAS = ("compute", "network", "block-storage", "load-balancer", "dns")


# --------------------------------------------------------------------------------------------------------------- network
def _address_scopes(view: View) -> Iterator[Fact]:
    for one, maker in _in_projects(view, "address scopes"):
        yield view.fact("address scope", one.name, maker, one.id, project=view.project(one.project_id), family=one.ip_version)


def _subnet_pools(view: View) -> Iterator[Fact]:
    for one, maker in _in_projects(view, "subnet pools"):
        yield view.fact(
            "subnet pool",
            one.name,
            maker,
            one.id,
            project=view.project(one.project_id),
            address_scope=view.name("address scopes", one.address_scope_id),
            prefixes=texts(prefix(text) for text in one.prefixes),
            shortest=one.minimum_prefix_length,
            longest=one.maximum_prefix_length,
            default=one.default_prefix_length,
        )


def _networks(view: View) -> Iterator[Fact]:
    for one, maker in _in_projects(view, "networks"):
        yield view.fact(
            "network",
            one.name or one.id,
            maker,
            one.id,
            project=view.project(one.project_id),
            description=one.description,
            up=one.is_admin_state_up,
            port_security=one.is_port_security_enabled,
            tags=texts(one.tags),
        )


def _subnets(view: View) -> Iterator[Fact]:
    """Subnets of our networks, whosever they are, and such of our projects."""
    for one in view.all("subnets"):
        ground = view.owner("networks", one.network_id) or view.ground(one.project_id)
        if ground is None and one.id not in view.known:
            continue
        yield view.fact(
            "subnet",
            one.name or one.cidr,
            ground.layer if ground else "",
            one.id,
            parent=one.network_id,
            network=view.name("networks", one.network_id),
            prefix=prefix(one.cidr),
            gateway=address(one.gateway_ip),
            dhcp=one.is_dhcp_enabled,
            pools=texts(f"{address(pool['start'])}-{address(pool['end'])}" for pool in one.allocation_pools),
            name_servers=texts(str(address(server)) for server in one.dns_nameservers),
            host_routes=texts(f"{route['destination']} via {route['nexthop']}" for route in one.host_routes),
            address_mode=one.ipv6_address_mode,
            advertisement_mode=one.ipv6_ra_mode,
            subnet_pool=view.name("subnet pools", one.subnet_pool_id) or None,
            tags=texts(one.tags),
        )


def _shares(view: View) -> Iterator[Fact]:
    """Policies that show something of ours to others, and such that show something of others to our projects."""
    for one in view.all("shares"):
        source = SHARED_KINDS.get(one.object_type)
        ground = (view.owner(source, one.object_id) if source else None) or view.ground(one.target_project_id)
        if ground is None and one.id not in view.known:
            continue
        target = "everybody" if one.target_project_id == "*" else view.project(one.target_project_id)
        what = view.name(source, one.object_id) if source else one.object_id
        name = share_name(one.object_type, what, target, one.action)
        yield view.fact("share", name, ground.layer if ground else "", one.id)


def _routers(view: View) -> Iterator[Fact]:
    for one, maker in _in_projects(view, "routers"):
        outer = one.external_gateway_info or {}
        yield view.fact(
            "router",
            one.name or one.id,
            maker,
            one.id,
            project=view.project(one.project_id),
            description=one.description,
            up=one.is_admin_state_up,
            external_network=view.name("networks", outer.get("network_id")) or None,
            snat=bool(outer.get("enable_snat")),
            tags=texts(one.tags),
        )


def _routes(view: View) -> Iterator[Fact]:
    for router, maker in _in_projects(view, "routers"):
        for route in router.routes or ():
            name = route_name(view.name("routers", router.id), prefix(route["destination"]), str(address(route["nexthop"])))
            at = {"router": router.id, "destination": route["destination"], "nexthop": route["nexthop"]}
            yield Fact("route", name, view.layer("route", maker), {}, "", router.id, at)


def _interfaces(view: View) -> Iterator[Fact]:
    """Where routers stand in our networks, whosever they are, and where our routers stand."""
    for one in view.all("ports"):
        if not (one.device_owner or "").startswith(INTERFACE):
            continue
        ground = view.owner("routers", one.device_id) or view.owner("networks", one.network_id)
        if ground is None and one.id not in view.known:
            continue
        router, network = view.name("routers", one.device_id), view.name("networks", one.network_id)
        values: dict[str, Value] = {"router": router, "network": network, "addresses": _addresses(one), "up": one.is_admin_state_up}
        layer = view.layer("router interface", ground.layer if ground else "")
        name = one.name or f"{router} in {network}"
        yield Fact("router interface", name, layer, values, one.id, "", {"router": one.device_id})


def _ports(view: View) -> Iterator[Fact]:
    """Ports in our networks and projects, but for those of routers, of Neutron itself, and of tenants where they may have them."""
    for one, ground in _plain_ports(view):
        if one.id not in view.known and _is_tenants(view, one):
            continue
        yield view.fact(
            "port",
            one.name or f"{', '.join(_addresses(one))} in {view.name('networks', one.network_id)}",
            ground.layer,
            one.id,
            project=view.project(one.project_id),
            network=view.name("networks", one.network_id),
            description=one.description,
            addresses=_addresses(one),
            security_groups=texts(view.name("security groups", group) for group in one.security_group_ids),
            port_security=one.is_port_security_enabled,
            other_addresses=_other_addresses(one),
            up=one.is_admin_state_up,
            tags=texts(one.tags),
        )


def _open_ports(view: View) -> Iterator[Fact]:
    """Tenants' ports in our networks that may send from any address: only somebody with the operator's rights can make such."""
    for one, ground in _plain_ports(view):
        if view.owner("networks", one.network_id) and _is_tenants(view, one):
            pairs = _other_addresses(one)
            if not one.is_port_security_enabled or pairs:
                name = f"off for port {one.name or ', '.join(_addresses(one))} in {view.name('networks', one.network_id)}"
                yield view.fact("port security", name, ground.layer, one.id, enabled=one.is_port_security_enabled, other_addresses=pairs)


def _plain_ports(view: View) -> Iterator[tuple[Any, Ground]]:
    for one in view.all("ports"):
        owner = one.device_owner or ""
        ground = view.owner("networks", one.network_id) or view.ground(one.project_id)
        its_own = any((one.device_id or "").startswith(start) for start in NEUTRONS_OWN.get(owner, ()))
        if ground and not owner.startswith(INTERFACE) and not its_own:
            yield one, ground


def _is_tenants(view: View, port: Any) -> bool:
    ground = view.ground(port.project_id)
    if ground is None or ground.purpose != "workload":
        return False
    if view.owner("networks", port.network_id) is None:
        return True
    return view.project(port.project_id) in view.ours.shared.get(view.name("networks", port.network_id), ())


def _addresses(port: Any) -> tuple[str, ...]:
    return texts(str(address(one["ip_address"])) for one in port.fixed_ips)


def _other_addresses(port: Any) -> tuple[str, ...]:
    return texts(one["ip_address"] for one in port.allowed_address_pairs or ())


def _security_groups(view: View) -> Iterator[Fact]:
    for one, maker in _in_projects(view, "security groups"):
        ground = view.ground(one.project_id)
        theirs = one.name == DEFAULT_GROUP or (ground is not None and ground.purpose == "workload")
        if one.id in view.known or not theirs:
            yield view.fact(
                "security group",
                one.name,
                maker,
                one.id,
                project=view.project(one.project_id),
                description=one.description,
                stateful=one.stateful,
                tags=texts(one.tags),
            )


def _rules(view: View) -> Iterator[Fact]:
    """Rules of the operator's groups, of tenants' own those that let the whole world in, and of default groups any: what stands
    there holds for whatever names no group, and nobody has declared it."""
    for group, maker in _in_projects(view, "security groups"):
        ground = view.ground(group.project_id)
        theirs = ground is not None and ground.purpose == "workload"
        known_as = view.name("security groups", group.id)
        label = f"{view.project(group.project_id)}/{known_as}" if theirs or group.name == DEFAULT_GROUP else known_as
        for rule in group.security_group_rules:
            if theirs and group.name != DEFAULT_GROUP and not _lets_all_in(rule):
                continue
            yield view.fact(
                "security group rule",
                rule_name(
                    label,
                    rule["direction"],
                    rule["ethertype"],
                    SAME_PROTOCOL.get(str(rule["protocol"]), rule["protocol"]),
                    (rule["port_range_min"], rule["port_range_max"]),
                    _remote(view, rule),
                ),
                maker,
                rule["id"],
                parent=group.id,
                description=rule.get("description") or "",
            )


def _remote(view: View, rule: Mapping[str, Any]) -> str:
    if rule["remote_ip_prefix"]:
        return prefix(rule["remote_ip_prefix"])
    if rule["remote_group_id"]:
        return f"group {view.name('security groups', rule['remote_group_id'])}"
    several = rule.get("remote_address_group_id")
    return f"address group {several}" if several else ""


def _lets_all_in(rule: Mapping[str, Any]) -> bool:
    named = rule["remote_group_id"] or rule.get("remote_address_group_id")
    whole = not rule["remote_ip_prefix"] or ip_network(rule["remote_ip_prefix"], strict=False).prefixlen == 0
    return bool(rule["direction"] == "ingress" and not named and whole)


def _floating_addresses(view: View) -> Iterator[Fact]:
    """Known by what the model writes into their description; others by their address."""
    for one, maker in _in_projects(view, "floating addresses"):
        ground = view.ground(one.project_id)
        if one.id not in view.known and ground and ground.purpose == "workload" and ground.floating:
            continue
        yield view.fact(
            "floating address",
            (one.description if one.id in view.known else "") or one.floating_ip_address,
            maker,
            one.id,
            project=view.project(one.project_id),
            port=view.name("ports", one.port_id) or None,
            tags=texts(one.tags),
        )


# --------------------------------------------------------------------------------------- instances, storage, names
def _instances(view: View) -> Iterator[Fact]:
    for one, maker in _operators(view, "instances"):
        yield view.fact(
            "instance",
            one.name,
            maker,
            one.id,
            project=view.project(one.project_id),
            flavor=one.flavor.original_name or one.flavor.name,
            key_pair=one.key_name,
            availability_zone=one.availability_zone,
        )


def _holds_data(kind: str, source: str) -> Callable[[View], Iterator[Fact]]:
    """Things of which the model has none: in projects of the operator's, any is one too many."""

    def found(view: View) -> Iterator[Fact]:
        for one, maker in _operators(view, source):
            yield view.fact(kind, one.name or one.id, maker, one.id)

    return found


def _zones(view: View) -> Iterator[Fact]:
    for one, maker in _operators(view, "DNS zones"):
        yield view.fact(
            "DNS zone",
            one.name,
            maker,
            one.id,
            project=view.project(one.project_id),
            email=one.email,
            ttl=one.ttl,
            description=one.description,
        )


def _records(view: View) -> Iterator[Fact]:
    makers = {zone.id: maker for zone, maker in _operators(view, "DNS zones")}
    for one in view.all("DNS records"):
        maker = makers.get(one["zone_id"])
        if maker is not None and one["type"] not in DESIGNATES_OWN:
            at = {"zone": one["zone_id"]}
            layer = view.layer("DNS record", maker)
            yield Fact("DNS record", f"{one['name']} {one['type']}", layer, {}, one["id"], one["zone_id"], at)


def _in_projects(view: View, source: str) -> Iterator[tuple[Any, str]]:
    """Things of our projects, and such that the state knows wherever they are now; each with the layer that makes its project."""
    for one in view.all(source):
        ground = view.ground(one.project_id)
        if ground or one.id in view.known:
            yield one, ground.layer if ground else ""


def _operators(view: View, source: str) -> Iterator[tuple[Any, str]]:
    """The same without what tenants have in their own projects."""
    for one, maker in _in_projects(view, source):
        ground = view.ground(one.project_id)
        if one.id in view.known or (ground and ground.purpose != "workload"):
            yield one, maker


# ---------------------------------------------------------------------------------------------------------------- all
# kind -> sources that it is made of beside BASE, and how
TELLERS: Mapping[str, tuple[tuple[str, ...], Callable[[View], Iterator[Fact]]]] = {
    "domain": ((), _domains),
    "project": ((), _projects),
    "user": ((), _users),
    "group": ((), _groups),
    "group membership": (("members",), _members),
    "role assignment": (("assignments", "roles"), _grants),
    "application credential": (("application credentials",), _application_credentials),
    "access key": (("credentials",), _access_keys),
    "key pair": (("key pairs",), _key_pairs),
    "quota": (tuple(f"{service} quotas" for service in QUOTAS), _quotas),
    "address scope": (("address scopes",), _address_scopes),
    "subnet pool": (("subnet pools", "address scopes"), _subnet_pools),
    "network": ((), _networks),
    "subnet": (("subnets", "subnet pools"), _subnets),
    "share": (("shares", "security groups", "subnet pools", "address scopes"), _shares),
    "router": (("routers",), _routers),
    "route": (("routers",), _routes),
    "router interface": (("ports", "routers"), _interfaces),
    "port": (("ports", "security groups"), _ports),
    "port security": (("ports",), _open_ports),
    "security group": (("security groups",), _security_groups),
    "security group rule": (("security groups",), _rules),
    "floating address": (("floating addresses", "ports"), _floating_addresses),
    "instance": (("instances",), _instances),
    "load balancer": (("load balancers",), _holds_data("load balancer", "load balancers")),
    "volume": (("volumes",), _holds_data("volume", "volumes")),
    "snapshot": (("snapshots",), _holds_data("snapshot", "snapshots")),
    "backup": (("backups",), _holds_data("backup", "backups")),
    "DNS zone": (("DNS zones",), _zones),
    "DNS record": (("DNS zones", "DNS records"), _records),
}


def facts(reading: Reading, ours: Estate, known: Mapping[str, str], dropped: Collection[str] = ()) -> Iterator[Fact]:
    """Everything that is the landing zone's business, of every kind that could be read. See View for `known` and `dropped`."""
    view = View(reading, ours, known, dropped)
    left_out = unread(reading)
    for kind, (_, teller) in TELLERS.items():
        if kind not in left_out:
            yield from (fact for fact in teller(view) if fact.id not in dropped)


def unread(reading: Reading) -> dict[str, str]:
    """Kinds that cannot be judged because something that they are made of could not be read, and why."""
    return {
        kind: "; ".join(reading.faults[source] for source in sources if source in reading.faults)
        for kind, (sources, _) in TELLERS.items()
        if any(source in reading.faults for source in sources)
    }
