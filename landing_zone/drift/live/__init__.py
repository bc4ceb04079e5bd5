"""What was read of a region as facts, in the words of the plan: ids become names, and what is a tenant's own is left out."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping

from landing_zone.drift.estate import Estate
from landing_zone.drift.facts import Fact
from landing_zone.drift.live import holdings, identity, network, ports
from landing_zone.drift.live.view import View
from landing_zone.drift.reading import Reading

# kind -> sources that it is made of beside BASE, and how
TELLERS: Mapping[str, tuple[tuple[str, ...], Callable[[View], Iterator[Fact]]]] = {
    "domain": ((), identity.domains),
    "project": ((), identity.projects),
    "user": ((), identity.users),
    "group": ((), identity.groups),
    "group membership": (("members",), identity.members),
    "role assignment": (("assignments", "roles"), identity.grants),
    "application credential": (("application credentials",), identity.application_credentials),
    "trust": (("trusts",), identity.trusts),
    "access key": (("credentials",), identity.access_keys),
    "key pair": (("key pairs",), identity.key_pairs),
    "quota": (tuple(f"{service} quotas" for service in identity.QUOTAS), identity.quotas),
    "address scope": (("address scopes",), network.address_scopes),
    "subnet pool": (("subnet pools", "address scopes"), network.subnet_pools),
    "network": ((), network.networks),
    "subnet": (("subnets", "subnet pools"), network.subnets),
    "share": (("shares", "security groups", "address groups", "subnet pools", "address scopes"), network.shares),
    "router": (("routers",), network.routers),
    "route": (("routers",), network.routes),
    "router interface": (("ports", "routers"), ports.interfaces),
    "trunk": (("trunks",), holdings.none_in_the_model("trunk", "trunks")),
    "port": (("ports", "security groups"), ports.ports),
    "port security": (("ports",), ports.open_ports),
    "security group": (("security groups",), ports.security_groups),
    "security group rule": (("security groups", "address groups"), ports.rules),
    "address group": (("address groups",), holdings.none_in_the_model("address group", "address groups")),
    "floating address": (("floating addresses", "ports"), ports.floating_addresses),
    "instance": (("instances", "images"), holdings.instances),
    "server group": (("server groups",), holdings.none_in_the_model("server group", "server groups")),
    "load balancer": (("load balancers",), holdings.none_in_the_model("load balancer", "load balancers")),
    "volume": (("volumes",), holdings.none_in_the_model("volume", "volumes")),
    "snapshot": (("snapshots",), holdings.none_in_the_model("snapshot", "snapshots")),
    "backup": (("backups",), holdings.none_in_the_model("backup", "backups")),
    "image": (("images",), holdings.none_in_the_model("image", "images")),
    "container": (("containers",), holdings.stored("container", "containers")),
    "secret": (("secrets",), holdings.stored("secret", "secrets")),
    "DNS zone": (("DNS zones",), holdings.zones),
    "DNS zone share": (("DNS zones", "DNS zone shares"), holdings.zone_shares),
    "DNS zone transfer": (("DNS zones", "DNS zone transfers"), holdings.zone_transfers),
    "DNS record": (("DNS zones", "DNS records"), holdings.records),
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
