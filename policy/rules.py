"""The rules: (type, name, properties, facts) in, violations out. No engine, no cloud.

Properties are as the program gives them, names in the provider's spelling (`remoteIpPrefix`), and `protect`, which is the engine's
own. A value that is not known
yet is `UNKNOWN`, a secret is `SECRET`: a rule lets the first pass (it is asked again at apply, when all is known).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from ipaddress import IPv6Network, ip_network
from typing import Any, Final

Properties = Mapping[str, Any]


class _Mark:
    def __init__(self, text: str) -> None:
        self._text = text

    def __repr__(self) -> str:
        return self._text


UNKNOWN: Final = _Mark("(not known yet)")
SECRET: Final = _Mark("(secret)")


@dataclass(frozen=True)
class Facts:
    """What the plan says and a rule cannot see in one resource.

    `encrypted` says whether the level asks for encrypted volumes. `open_groups` are security groups that may be open to the
    world; `router_ports` the ports that belong to routers; `floating` the machines that may have a floating address.
    """

    encrypted: bool
    regions: frozenset[str]
    open_groups: frozenset[str]
    router_ports: frozenset[str]
    floating: frozenset[str]


@dataclass(frozen=True)
class Violation:
    """One rule broken by one resource: the control behind the rule, what is wrong and what to do."""

    control: str
    resource: str
    rule: str
    cure: str

    def __str__(self) -> str:
        return f"{self.control}: {self.resource}: {self.rule}. {self.cure}"


Finding = tuple[str, str]  # what is wrong, and what to do
Rule = Callable[[str, Properties, Facts], Iterator[Finding]]


@dataclass(frozen=True)
class Guard:
    """A rule with the control that it serves and the resource types that it looks at (parts of type tokens)."""

    control: str
    types: tuple[str, ...]
    rule: Rule


def check(type_: str, name: str, properties: Properties, facts: Facts) -> list[Violation]:
    """Every violation of one resource."""
    kind = type_.rsplit(":", 1)[-1]
    return [
        Violation(guard.control, f"{kind} {name}", what, cure)
        for guard in GUARDS
        if any(part in type_ for part in guard.types)
        for what, cure in guard.rule(name, properties, facts)
    ]


def no_world_open_ingress(name: str, properties: Properties, facts: Facts) -> Iterator[Finding]:
    """Nothing is open to the whole world outside the edge, and there neither SSH nor everything at once."""
    if properties.get("direction") != "ingress":
        return
    if properties.get("remoteGroupId") or properties.get("remoteAddressGroupId"):
        return
    prefix = properties.get("remoteIpPrefix")
    if prefix is UNKNOWN:
        return
    if prefix and not wide(str(prefix)):
        return
    if name.partition(".")[0] not in facts.open_groups:
        yield f"lets in {prefix or 'everybody'}", "name the prefixes that need it in `flows`, or put the service into the edge zone"
    elif _administers(properties):
        yield f"lets {prefix or 'everybody'} in by SSH", "name the ports of the service; administration comes by the bastion"


def _administers(properties: Properties) -> bool:
    """Whether a rule lets SSH through, among others or by itself."""
    protocol, first, last = (properties.get(key) for key in ("protocol", "portRangeMin", "portRangeMax"))
    if UNKNOWN in (protocol, first, last):
        return False
    return not protocol or (protocol in ("tcp", "6") and (not first or int(first) <= SSH <= int(last or first)))


def wide(prefix: str) -> bool:
    """Whether a prefix is the world, or so much of it that a few such are."""
    net = ip_network(prefix, strict=False)
    return net.prefixlen < WIDEST[net.version] and not (isinstance(net, IPv6Network) and net.subnet_of(UNIQUE_LOCAL))


def default_rules_removed(_: str, properties: Properties, __: Facts) -> Iterator[Finding]:
    """A security group has no rule that nobody wrote."""
    if properties.get("deleteDefaultRules") is not True:
        yield "keeps the default rules of Neutron", "set delete_default_rules"


def port_behind_security(name: str, properties: Properties, facts: Facts) -> Iterator[Finding]:
    """No port without port security and a security group, but for those of routers."""
    if properties.get("portSecurityEnabled") is False:
        yield "has port security switched off", "leave port_security_enabled on"
    if name in facts.router_ports:
        return
    if properties.get("noSecurityGroups") or properties.get("securityGroupIds") in (None, []):
        yield "has no security group", "give it the security group of its zone"


def network_with_port_security(_: str, properties: Properties, __: Facts) -> Iterator[Finding]:
    """Networks keep port security on, so that ports have it unless they say otherwise."""
    if properties.get("portSecurityEnabled") is not True:
        yield "does not have port security switched on", "set port_security_enabled"
    if properties.get("shared"):
        yield "is shared with every project", "share it with named projects by RBAC policies"


def shared_by_name(_: str, properties: Properties, __: Facts) -> Iterator[Finding]:
    """RBAC policies name the project that they open something for."""
    if properties.get("targetTenant") == "*":
        yield "is open for every project", "name the project"


def instance_on_its_own_port(_: str, properties: Properties, __: Facts) -> Iterator[Finding]:
    """Instances sit on ports made for them, never on one that Nova makes out of nothing."""
    networks = properties.get("networks")
    if networks is UNKNOWN:
        return
    if not networks or any(not network.get("port") for network in networks):
        yield "names a network instead of a port", "make the port first and give it in `networks`"


def floating_address_only_where_planned(name: str, _: Properties, facts: Facts) -> Iterator[Finding]:
    """Workloads have no address of their own to the outside."""
    if name not in facts.floating:
        yield "is not planned", "publish the service through the edge; only the bastion has a floating address"


def roles_to_groups_only(_: str, properties: Properties, __: Facts) -> Iterator[Finding]:
    """Roles go to groups, never to a person or a machine."""
    if properties.get("userId"):
        yield "gives a role to one account", "grant it to a group and put the account into the group"


def labelled(_: str, properties: Properties, __: Facts) -> Iterator[Finding]:
    """What can have tags says whose it is, of which environment and of which level."""
    tags = properties.get("tags")
    if properties.get("isDomain") or tags is UNKNOWN:
        return
    keys = {str(tag).partition("=")[0] for tag in tags or ()}
    missing = sorted({"lz-environment", "lz-level", "lz-owner"} - keys)
    if missing:
        yield f"has no tag {', '.join(missing)}", "give it the tags of the plan"


def restricted_credential(_: str, properties: Properties, __: Facts) -> Iterator[Finding]:
    """Credentials of programs end, and can do only what they are for."""
    if properties.get("unrestricted"):
        yield "is unrestricted", "leave `unrestricted` off"
    if not properties.get("expiresAt"):
        yield "never ends", "set expires_at"
    if not properties.get("accessRules"):
        yield "may call everything", "list what it may call in access_rules"


def encrypted_volume(_: str, properties: Properties, facts: Facts) -> Iterator[Finding]:
    """Where the level asks for it, volumes are of a type that says that it encrypts."""
    kind = properties.get("volumeType")
    if facts.encrypted and kind is not UNKNOWN and not ENCRYPTED.search(str(kind or "")):
        yield f"is of type {kind or '(default)'}, which is not encrypted", "take an encrypted volume type"


def data_protected(_: str, properties: Properties, __: Facts) -> Iterator[Finding]:
    """What holds data is removed only when somebody names it."""
    if not properties.get("protect"):
        yield "holds data and is not protected", "set `protect` in its options; `lz down --yes-delete-data NAME` removes it all the same"


def closed_container(_: str, properties: Properties, __: Facts) -> Iterator[Finding]:
    """Objects are not for everybody unless the container is labelled as open data."""
    rules = f"{properties.get('containerRead') or ''},{properties.get('containerWrite') or ''}".replace(" ", "").split(",")
    label = UNKNOWN if properties.get("metadata") is UNKNOWN else (properties.get("metadata") or {}).get("classification")
    everybody = any(map(_without_token, rules))
    if label not in ("open-data", UNKNOWN) and (everybody or {"*:*", "*"} & set(rules)):
        who = "everybody" if everybody else "every account of the cloud"
        yield f"is open for {who}", "take the rule away, or label open data with metadata classification=open-data"


def _without_token(rule: str) -> bool:
    """Whether a rule of Swift lets in who has no token: by the page that one claims to come from, be it any or of one domain."""
    kind, _, place = rule.partition(":")
    return kind in REFERRERS and not place.startswith("-")


def no_public_image(_: str, properties: Properties, __: Facts) -> Iterator[Finding]:
    """Images are handed to named projects, not to all."""
    if properties.get("visibility") in ("public", "community"):
        yield f"is {properties['visibility']}", "make it private or shared"


def declared_region(_: str, properties: Properties, facts: Facts) -> Iterator[Finding]:
    """Everything lies in a region of the environment."""
    region = properties.get("region")
    if region and region is not UNKNOWN and region not in facts.regions:
        yield f"lies in region {region}, which the environment does not have", f"use one of: {', '.join(sorted(facts.regions))}"


def explicit_name(_: str, properties: Properties, __: Facts) -> Iterator[Finding]:
    """Everything has a name that a person gave, in characters that every service takes."""
    name = properties.get("name")
    if name is UNKNOWN:
        return
    if not name:
        yield "has no name", "name it after the plan"
    elif not str(name).isascii():
        yield f"has a name outside ASCII: {name}", "use the plan's name"


def no_clear_secret(_: str, properties: Properties, __: Facts) -> Iterator[Finding]:
    """No secret is written where everybody who reads the state can see it."""
    for key, value in _texts("", properties):
        if key in SECRET_KEYS and value:
            yield f"has `{key}` in clear", "wrap it with pulumi.Output.secret"
        if any(mark in value for mark in SECRET_MARKS):
            yield f"has key material in `{key}`", "keep keys in the key manager and hand over a reference"


def _texts(key: str, value: Any) -> Iterator[tuple[str, str]]:
    """Every text within a property, however deep, with the key that it stands under."""
    if isinstance(value, str):
        yield key, value
    elif isinstance(value, Mapping):
        for inner, each in value.items():
            yield from _texts(str(inner), each)
    elif isinstance(value, list | tuple):
        for each in value:
            yield from _texts(key, each)


SSH = 22
WIDEST = {4: 8, 6: 16}  # by version: the shortest prefix that is not as good as the world; environment files are held to it too
REFERRERS = frozenset({".r", ".ref", ".referer", ".referrer"})  # Swift takes each of them for the first
UNIQUE_LOCAL = IPv6Network("fc00::/7")
ENCRYPTED = re.compile(r"(?<!un)(?<!no[tn][-_. ])(?<!no[tn])encrypted", re.IGNORECASE)
SECRET_KEYS = frozenset({"password", "adminPass", "token", "applicationCredentialSecret", "secret", "payload", "privateKey"})
SECRET_MARKS = ("PRIVATE KEY-----",)
PROVIDER = "pulumi:providers:openstack"
TAGGED = (
    "openstack:networking/network:",
    "openstack:networking/subnet:",
    "openstack:networking/router:",
    "openstack:networking/port:",
    "openstack:networking/secGroup:",
    "openstack:networking/floatingIp:",
)
NAMED = (
    "openstack:networking/network:",
    "openstack:networking/subnet:",
    "openstack:networking/router:",
    "openstack:networking/port:",
    "openstack:networking/secGroup:",
    "openstack:compute/instance:",
    "openstack:blockstorage/volume:",
)

DATA = ("blockstorage/volume:", "objectstorage/container:", "sharedfilesystem/share:", "images/image:", "keymanager/secretV1:")

GUARDS: tuple[Guard, ...] = (
    Guard("NET-02", ("networking/secGroupRule:",), no_world_open_ingress),
    Guard("NET-02", ("networking/secGroup:",), default_rules_removed),
    Guard("NET-02", ("networking/port:",), port_behind_security),
    Guard("NET-02", ("networking/network:",), network_with_port_security),
    Guard("NET-02", ("compute/instance:",), instance_on_its_own_port),
    Guard("NET-04", ("networking/rbacPolicyV2:",), shared_by_name),
    Guard("NET-07", ("networking/floatingIp:",), floating_address_only_where_planned),
    Guard("IAM-01", ("identity/project:",), labelled),
    Guard("IAM-02", ("identity/roleAssignment:", "identity/inheritRoleAssignment:"), roles_to_groups_only),
    Guard("IAM-05", ("identity/applicationCredential:",), restricted_credential),
    Guard("STO-01", ("openstack:", PROVIDER), declared_region),
    Guard("STO-04", ("blockstorage/volume:",), encrypted_volume),
    Guard("STO-05", ("objectstorage/container:",), closed_container),
    Guard("BCK-01", DATA, data_protected),
    Guard("CMP-01", ("images/image:",), no_public_image),
    Guard("CRY-05", ("openstack:", PROVIDER), no_clear_secret),
    Guard("OPS-04", NAMED, explicit_name),
    Guard("OPS-04", TAGGED, labelled),
)
