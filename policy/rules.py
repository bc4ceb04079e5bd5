"""The rules: (type, name, properties, facts) in, violations out. No engine, no cloud.

Properties are as the program gives them, names in the provider's spelling (`remoteIpPrefix`), and `protect`, which is the engine's
own. A value that is not known yet is `UNKNOWN`, a secret is `SECRET`: a rule lets the first pass (it is asked again at apply, when
all is known).
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
    if properties.get("remoteGroupId") or properties.get("remoteAddressGroupId"):  # what stands in the latter is looked at there
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


def no_world_open_firewall(name: str, properties: Properties, facts: Facts) -> Iterator[Finding]:
    """A firewall lets in no more than a security group may."""
    if properties.get("action") != "allow":
        return
    port, protocol = properties.get("destinationPort"), properties.get("protocol")
    first, _, last = (port, "", port) if port is UNKNOWN else str(port or "").partition(":")
    rule = {"direction": "ingress", "remoteIpPrefix": properties.get("sourceIpAddress"), "portRangeMin": first, "portRangeMax": last}
    yield from no_world_open_ingress(name, {**rule, "protocol": None if protocol == "any" else protocol}, facts)


def no_prefix_of_the_world(_: str, properties: Properties, __: Facts) -> Iterator[Finding]:
    """What stands for addresses, and is referred to by others, does not stand for the world."""
    if properties.get("accessType", "ip") != "ip":  # accounts and certificates are no prefixes
        return
    for key, value in _texts("", properties):
        if key in PREFIXES and value and wide(value):
            yield f"stands for {value}", "name the prefixes that need it"


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


def shared_by_name(_: str, properties: Properties, __: Facts) -> Iterator[Finding]:
    """What is opened for other projects names them."""
    if properties.get("targetTenant") == "*" or any(properties.get(mark) not in (None, False, UNKNOWN) for mark in SHARED):
        yield "is open for every project", "name the projects: by RBAC policies, or by what its service has for that"


def zone_given_by_name(_: str, properties: Properties, __: Facts) -> Iterator[Finding]:
    """A DNS zone is handed over to a project that is named."""
    if not properties.get("targetProjectId"):
        yield "gives the zone to whoever has its key", "name the project in target_project_id"


def no_copy_of_traffic(_: str, properties: Properties, __: Facts) -> Iterator[Finding]:
    """Nobody listens in on a port from outside."""
    yield f"copies what a port sends and receives to {properties.get('remoteIp')}", "record it on the node that has the port"


def nothing_out_of_sight(_: str, __: Properties, ___: Facts) -> Iterator[Finding]:
    """All is made by the program, and none by a service that makes machines and networks itself."""
    yield "makes things that no guard rail sees and no state knows", "make each of them as a resource of the program"


def instance_on_its_own_port(_: str, properties: Properties, __: Facts) -> Iterator[Finding]:
    """Instances sit on ports made for them, never on one that Nova makes out of nothing."""
    networks = properties.get("networks")
    if networks is UNKNOWN:
        return
    if not networks or any(not network.get("port") for network in networks):
        yield "names a network instead of a port", "make the port first and give it in `networks`"


def attached_by_its_port(_: str, properties: Properties, __: Facts) -> Iterator[Finding]:
    """Nor are they attached to a network later by such a port."""
    if not properties.get("portId"):
        yield "names a network instead of a port", "make the port first and give it in port_id"


def volumes_of_their_own(_: str, properties: Properties, __: Facts) -> Iterator[Finding]:
    """Volumes are resources, so that they are seen to be encrypted and protected; an instance makes none on the way."""
    devices = properties.get("blockDevices")
    for device in filter(lambda one: isinstance(one, Mapping), devices if isinstance(devices, list) else ()):
        source, destination = (device.get(key) for key in ("sourceType", "destinationType"))
        if source != "volume" and destination != "local" and UNKNOWN not in (source, destination):
            yield f"makes a volume of {source}", "make the volume first and give it in `block_devices`, or let destination_type be local"


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


def no_credential_for_all(_: str, __: Properties, ___: Facts) -> Iterator[Finding]:
    """Nor do they have one of a kind that can neither end nor be held to anything."""
    yield "never ends, and may call everything", "make an application credential"


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
        if key in SCRIPTS and CLEAR_SECRET.search(value):
            yield f"has a secret in clear in `{key}`", "let the node fetch it from the key manager; every process there reads user data"


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
PREFIXES = frozenset({"addresses", "ipAddress", "accessTo"})
SHARED = ("shared", "isPublic", "public")
WIDEST = {4: 8, 6: 16}  # by version: the shortest prefix that is not as good as the world; environment files are held to it too
REFERRERS = frozenset({".r", ".ref", ".referer", ".referrer"})  # Swift takes each of them for the first
UNIQUE_LOCAL = IPv6Network("fc00::/7")
ENCRYPTED = re.compile(r"(?<!un)(?<!no[tn][-_. ])(?<!no[tn])encrypted", re.IGNORECASE)
SECRET_KEYS = frozenset(
    {"password", "adminPass", "token", "applicationCredentialSecret", "secret", "payload", "privateKey", "psk", "imageSourcePassword"}
)
SCRIPTS = frozenset({"userData", "content"})  # texts that go to an instance, or into an object
# A name that ends with such a word, and on the same line a value that is neither a switch, a hash, nor taken from elsewhere.
CLEAR_SECRET = re.compile(
    r"""(?:password|passwd|secret|token|psk)["']?[ \t]*[:=][ \t]*(?!(?:true|false|yes|no|null)\b)["']?[^\s"'$&*{\[<>|!,}\\?+=-]""",
    re.IGNORECASE,
)
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

DATA = (
    "blockstorage/volume:",
    "objectstorage/container:",
    "objectstorage/containerObject:",
    "sharedfilesystem/share:",
    "images/image:",
    "keymanager/secretV1:",
    "database/instance:",
    "database/database:",
)
OPEN_FOR_OTHERS = (
    "networking/network:",
    "networking/subnetPool:",
    "networking/addressScope:",
    "networking/qosPolicy:",
    "networking/rbacPolicyV2:",
    "firewall/groupV2:",
    "firewall/policyV2:",
    "firewall/ruleV2:",
    "bgpvpn/v2:",
    "sharedfilesystem/share:",
    "containerinfra/clusterTemplate:",
)
OUTSIDE = ("networking/floatingIp:", "networking/floatingIpAssociate:", "networking/portForwardingV2:")

GUARDS: tuple[Guard, ...] = (
    Guard("NET-02", ("networking/secGroupRule:",), no_world_open_ingress),
    Guard("NET-02", ("firewall/ruleV2:",), no_world_open_firewall),
    Guard("NET-02", ("networking/port:", "networking/addressGroupV2:", "sharedfilesystem/shareAccess:"), no_prefix_of_the_world),
    Guard("NET-02", ("networking/secGroup:",), default_rules_removed),
    Guard("NET-02", ("networking/port:", "networking/portSecGroupAssociate:"), port_behind_security),
    Guard("NET-02", ("networking/network:",), network_with_port_security),
    Guard("NET-02", ("compute/instance:", "database/instance:"), instance_on_its_own_port),
    Guard("NET-02", ("compute/interfaceAttach:",), attached_by_its_port),
    Guard("NET-04", OPEN_FOR_OTHERS, shared_by_name),
    Guard("NET-04", ("dns/transferRequest:",), zone_given_by_name),
    Guard("NET-04", ("index/taasTapMirrorV2:",), no_copy_of_traffic),
    Guard("NET-07", OUTSIDE, floating_address_only_where_planned),
    Guard("IAM-01", ("identity/project:",), labelled),
    Guard("IAM-02", ("identity/roleAssignment:", "identity/inheritRoleAssignment:"), roles_to_groups_only),
    Guard("IAM-05", ("identity/applicationCredential:",), restricted_credential),
    Guard("IAM-05", ("identity/ec2CredentialV3:",), no_credential_for_all),
    Guard("STO-01", ("openstack:", PROVIDER), declared_region),
    Guard("STO-04", ("blockstorage/volume:", "database/instance:"), encrypted_volume),
    Guard("STO-05", ("objectstorage/container:",), closed_container),
    Guard("BCK-01", DATA, data_protected),
    Guard("BCK-01", ("compute/instance:",), volumes_of_their_own),
    Guard("CMP-01", ("images/image:",), no_public_image),
    Guard("CRY-05", ("openstack:", PROVIDER), no_clear_secret),
    Guard("OPS-04", NAMED, explicit_name),
    Guard("OPS-04", TAGGED, labelled),
    Guard("OPS-04", ("orchestration/stackV1:", "containerinfra/cluster:", "containerinfra/nodeGroup:"), nothing_out_of_sight),
)
